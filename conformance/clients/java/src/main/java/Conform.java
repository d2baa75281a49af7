import ca.uhn.fhir.context.FhirContext;
import ca.uhn.fhir.rest.api.EncodingEnum;
import ca.uhn.fhir.rest.api.MethodOutcome;
import ca.uhn.fhir.rest.api.PreferReturnEnum;
import ca.uhn.fhir.rest.api.SearchStyleEnum;
import ca.uhn.fhir.rest.client.api.IGenericClient;
import ca.uhn.fhir.rest.client.interceptor.AdditionalRequestHeadersInterceptor;
import ca.uhn.fhir.rest.server.exceptions.InvalidRequestException;
import ca.uhn.fhir.rest.server.exceptions.PreconditionFailedException;
import ca.uhn.fhir.rest.server.exceptions.ResourceGoneException;
import ca.uhn.fhir.rest.server.exceptions.ResourceNotFoundException;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import org.hl7.fhir.instance.model.api.IBaseResource;
import org.hl7.fhir.r4.model.Bundle;
import org.hl7.fhir.r4.model.CapabilityStatement;
import org.hl7.fhir.r4.model.CodeType;
import org.hl7.fhir.r4.model.Enumerations.AdministrativeGender;
import org.hl7.fhir.r4.model.Observation;
import org.hl7.fhir.r4.model.OperationOutcome;
import org.hl7.fhir.r4.model.Organization;
import org.hl7.fhir.r4.model.Parameters;
import org.hl7.fhir.r4.model.Patient;
import org.hl7.fhir.r4.model.Reference;
import org.hl7.fhir.r4.model.StringType;

/** The HAPI FHIR client against a server, in JSON and in XML: Conform BASE */
public final class Conform {
    private static final String SYSTEM = "urn:conform:hapi";
    private static final FhirContext CONTEXT = FhirContext.forR4();
    private static int passed;
    private static int failed;

    private final IGenericClient client;
    private final String run = UUID.randomUUID().toString();
    private final String label;

    private interface Check {
        void run() throws Exception;
    }

    private Conform(String base, EncodingEnum encoding) {
        CONTEXT.getRestfulClientFactory().setSocketTimeout(120_000);
        client = CONTEXT.newRestfulGenericClient(base);
        client.setEncoding(encoding);
        label = "HAPI client, " + encoding;
    }

    public static void main(String[] arguments) {
        for (EncodingEnum encoding : List.of(EncodingEnum.JSON, EncodingEnum.XML)) {
            new Conform(arguments[0], encoding).all();
        }
        String verdict = failed == 0 ? "ok" : "FAILED";
        System.out.printf("test result: %s. %d passed; %d failed; HAPI client%n", verdict, passed, failed);
        System.exit(failed == 0 ? 0 : 1);
    }

    private void all() {
        check("reads the CapabilityStatement", this::capabilities);
        check("creates and reads", this::createAndRead);
        check("updates with a version, and is refused with a stale one", this::update);
        check("creates, updates and deletes on a condition", this::conditional);
        check("patches by FHIRPath and by JSON Patch", this::patch);
        check("searches, includes, by GET and POST", this::search);
        check("follows all pages", this::pages);
        check("reads histories", this::history);
        check("sends a transaction", this::transaction);
        check("sends a list of resources as a transaction", this::resources);
        check("understands what went wrong", this::errors);
        check("deletes", this::delete);
    }

    private void check(String name, Check check) {
        try {
            check.run();
            passed++;
            System.out.printf("ok     %s: %s%n", label, name);
        } catch (Exception | AssertionError error) {
            failed++;
            System.out.printf("FAILED %s: %s%n", label, name);
            error.printStackTrace(System.out);
        }
    }

    private static void equal(Object wanted, Object found) {
        if (!wanted.equals(found)) {
            throw new AssertionError("expected " + wanted + ", found " + found);
        }
    }

    private static <T extends Throwable> T refused(Class<T> kind, Check check) throws Exception {
        try {
            check.run();
        } catch (Throwable error) {
            if (kind.isInstance(error)) {
                return kind.cast(error);
            }
            throw new AssertionError("expected " + kind.getSimpleName() + ", found " + error, error);
        }
        throw new AssertionError("expected " + kind.getSimpleName() + ", but it was accepted");
    }

    private Patient patient(String mark) {
        Patient patient = new Patient();
        patient.addIdentifier().setSystem(SYSTEM).setValue(run + "-" + mark);
        patient.addName().setFamily("Hapi" + mark).addGiven(run);
        return patient;
    }

    private Patient made(String mark) {
        MethodOutcome outcome = client.create().resource(patient(mark)).prefer(PreferReturnEnum.REPRESENTATION).execute();
        equal(true, outcome.getCreated());
        equal("1", outcome.getId().getVersionIdPart());
        return (Patient) outcome.getResource();
    }

    private void capabilities() {
        CapabilityStatement statement = client.capabilities().ofType(CapabilityStatement.class).execute();
        equal("4.0.1", statement.getFhirVersion().toCode());
    }

    private void createAndRead() {
        Patient made = made("0");
        Patient read = client.read().resource(Patient.class).withId(made.getIdElement().getIdPart()).execute();
        equal("Hapi0", read.getNameFirstRep().getFamily());
        Patient version = client.read().resource(Patient.class).withIdAndVersion(made.getIdElement().getIdPart(), "1").execute();
        equal(true, version.equalsDeep(read));
        Patient unchanged = client.read().resource(Patient.class).withId(made.getIdElement().getIdPart())
                .ifVersionMatches("1").returnNull().execute();
        equal(true, unchanged == null);
    }

    private void update() throws Exception {
        Patient made = made("1");
        made.setGender(AdministrativeGender.FEMALE);
        MethodOutcome outcome = client.update().resource(made).prefer(PreferReturnEnum.REPRESENTATION).execute();
        equal("2", outcome.getResource().getMeta().getVersionId());
        AdditionalRequestHeadersInterceptor stale = new AdditionalRequestHeadersInterceptor();
        stale.addHeaderValue("If-Match", "W/\"1\"");
        client.registerInterceptor(stale);
        try {
            made.setGender(AdministrativeGender.MALE);
            refused(PreconditionFailedException.class, () -> client.update().resource((Patient) made.copy().setId(made.getIdElement().toUnqualifiedVersionless())).execute());
        } finally {
            client.unregisterInterceptor(stale);
        }
    }

    private void conditional() {
        Patient once = patient("once");
        MethodOutcome first = client.create().resource(once).conditional().where(Patient.IDENTIFIER.exactly().systemAndIdentifier(SYSTEM, run + "-once")).execute();
        MethodOutcome second = client.create().resource(once).conditional().where(Patient.IDENTIFIER.exactly().systemAndIdentifier(SYSTEM, run + "-once")).execute();
        equal(first.getId().getIdPart(), second.getId().getIdPart());
        once.setActive(true);
        MethodOutcome updated = client.update().resource(once).conditional().where(Patient.IDENTIFIER.exactly().systemAndIdentifier(SYSTEM, run + "-once")).execute();
        equal(first.getId().getIdPart(), updated.getId().getIdPart());
        client.delete().resourceConditionalByType("Patient").where(Patient.IDENTIFIER.exactly().systemAndIdentifier(SYSTEM, run + "-once")).execute();
        equal(0, count(run + "-once"));
    }

    private int count(String identifier) {
        return client.search().forResource(Patient.class).where(Patient.IDENTIFIER.exactly().systemAndIdentifier(SYSTEM, identifier))
                .returnBundle(Bundle.class).execute().getTotal();
    }

    private void patch() {
        Patient made = made("2");
        Parameters patch = new Parameters();
        Parameters.ParametersParameterComponent operation = patch.addParameter().setName("operation");
        operation.addPart().setName("type").setValue(new CodeType("replace"));
        operation.addPart().setName("path").setValue(new StringType("Patient.name[0].family"));
        operation.addPart().setName("value").setValue(new StringType("Patched"));
        MethodOutcome outcome = client.patch().withFhirPatch(patch).withId("Patient/" + made.getIdElement().getIdPart())
                .prefer(PreferReturnEnum.REPRESENTATION).execute();
        equal("Patched", ((Patient) outcome.getResource()).getNameFirstRep().getFamily());
        outcome = client.patch().withBody("[{\"op\":\"add\",\"path\":\"/gender\",\"value\":\"male\"}]")
                .withId("Patient/" + made.getIdElement().getIdPart()).prefer(PreferReturnEnum.REPRESENTATION).execute();
        equal(AdministrativeGender.MALE, ((Patient) outcome.getResource()).getGender());
    }

    private void search() {
        Patient made = made("3");
        Observation observation = new Observation().setStatus(Observation.ObservationStatus.FINAL)
                .setSubject(new Reference("Patient/" + made.getIdElement().getIdPart()));
        observation.getCode().setText("x");
        client.create().resource(observation).execute();
        for (SearchStyleEnum style : List.of(SearchStyleEnum.GET, SearchStyleEnum.POST)) {
            Bundle found = client.search().forResource(Observation.class)
                    .where(Observation.SUBJECT.hasChainedProperty("Patient", Patient.IDENTIFIER.exactly().systemAndIdentifier(SYSTEM, run + "-3")))
                    .include(Observation.INCLUDE_SUBJECT).usingStyle(style).returnBundle(Bundle.class).execute();
            equal(1, found.getTotal());
            equal(2, found.getEntry().size());
        }
    }

    private void pages() {
        for (int number = 10; number < 21; number++) {
            made(Integer.toString(number));
        }
        Bundle page = client.search().forResource(Patient.class).where(Patient.GIVEN.matches().value(run))
                .where(Patient.FAMILY.matches().value("Hapi1")).sort().ascending(Patient.FAMILY).count(3).returnBundle(Bundle.class).execute();
        List<String> families = new ArrayList<>();
        while (true) {
            page.getEntry().forEach(entry -> families.add(((Patient) entry.getResource()).getNameFirstRep().getFamily()));
            if (page.getLink(Bundle.LINK_NEXT) == null) {
                break;
            }
            page = client.loadPage().next(page).execute();
        }
        equal(List.of("Hapi1", "Hapi10", "Hapi11", "Hapi12", "Hapi13", "Hapi14", "Hapi15", "Hapi16", "Hapi17", "Hapi18", "Hapi19"), families);
        Bundle before = client.loadPage().previous(page).execute();
        equal(3, before.getEntry().size());
    }

    private void history() {
        Patient made = made("4");
        made.setActive(true);
        client.update().resource(made).execute();
        Bundle own = client.history().onInstance("Patient/" + made.getIdElement().getIdPart()).returnBundle(Bundle.class).execute();
        equal(2, own.getTotal());
        equal(Bundle.BundleType.HISTORY, client.history().onType(Patient.class).returnBundle(Bundle.class).execute().getType());
        equal(Bundle.BundleType.HISTORY, client.history().onServer().returnBundle(Bundle.class).execute().getType());
    }

    private void transaction() {
        Bundle bundle = new Bundle().setType(Bundle.BundleType.TRANSACTION);
        String fullUrl = "urn:uuid:" + UUID.randomUUID();
        bundle.addEntry().setFullUrl(fullUrl).setResource(patient("5")).getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("Patient");
        Observation observation = new Observation().setStatus(Observation.ObservationStatus.FINAL).setSubject(new Reference(fullUrl));
        observation.getCode().setText("t");
        bundle.addEntry().setResource(observation).getRequest().setMethod(Bundle.HTTPVerb.POST).setUrl("Observation");
        Bundle answer = client.transaction().withBundle(bundle).execute();
        equal(2, answer.getEntry().size());
        equal(true, answer.getEntry().stream().allMatch(entry -> entry.getResponse().getStatus().startsWith("201")));
        Bundle found = client.search().forResource(Observation.class)
                .where(Observation.SUBJECT.hasChainedProperty("Patient", Patient.IDENTIFIER.exactly().systemAndIdentifier(SYSTEM, run + "-5")))
                .returnBundle(Bundle.class).execute();
        equal(1, found.getTotal());
    }

    private void resources() {
        List<IBaseResource> made = client.transaction().withResources(List.of(patient("7"), new Organization().setName("c"))).execute();
        equal(2, made.size());
        equal(1, count(run + "-7"));
    }

    private void errors() throws Exception {
        refused(ResourceNotFoundException.class, () -> client.read().resource(Patient.class).withId(UUID.randomUUID().toString()).execute());
        InvalidRequestException refusal = refused(InvalidRequestException.class,
                () -> client.search().byUrl("Patient?birthdate=yesterday").returnBundle(Bundle.class).execute());
        OperationOutcome outcome = (OperationOutcome) refusal.getOperationOutcome();
        equal(OperationOutcome.IssueSeverity.ERROR, outcome.getIssueFirstRep().getSeverity());
    }

    private void delete() throws Exception {
        Patient made = made("6");
        client.delete().resource(made).execute();
        refused(ResourceGoneException.class, () -> client.read().resource(Patient.class).withId(made.getIdElement().getIdPart()).execute());
    }
}
