"""fhirpy against a server: with_fhirpy.py BASE"""

import asyncio
import sys
import uuid

from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

from checks import run

BASE = sys.argv[1]
RUN = str(uuid.uuid4())
SYSTEM = "urn:conform:fhirpy"
client = SyncFHIRClient(BASE)


def patient(number, **more):
    return client.resource(
        "Patient", identifier=[{"system": SYSTEM, "value": f"{RUN}-{number}"}], name=[{"family": f"Py{number:02}"}],
        address=[{"city": RUN}], **more
    )


def create_and_read():
    """creates and reads"""
    made = patient(0)
    made.save()
    assert made.id and made["meta"]["versionId"] == "1"
    read = client.reference("Patient", made.id).to_resource()
    assert read["name"][0]["family"] == "Py00"


def update():
    """updates, and updates with a version"""
    made = patient(1)
    made.save()
    made["gender"] = "female"
    made.save()
    assert made["meta"]["versionId"] == "2"
    made["gender"] = "other"
    versioned = SyncFHIRClient(BASE, extra_headers={"If-Match": 'W/"1"'})
    try:
        versioned.resource("Patient", **made.serialize()).save()
        raise AssertionError("a stale version was accepted")
    except MultipleResourcesFound:  # what fhirpy makes of 412
        pass


def patch():
    """patches"""
    made = patient(2)
    made.save()
    made.patch(gender="male")
    read = client.reference("Patient", made.id).to_resource()
    assert read["gender"] == "male" and read["name"][0]["family"] == "Py02"


def search():
    """searches, with sort, chain, has, include"""
    made = patient(3, birthDate="1950-02-03")
    made.save()
    client.resource("Observation", status="final", code={"text": "x"}, subject=made.to_reference().serialize()).save()
    found = client.resources("Patient").search(identifier=f"{SYSTEM}|{RUN}-3", birthdate__lt="1951").fetch()
    assert [one.id for one in found] == [made.id]
    chained = client.resources("Observation").search(**{"subject:Patient.identifier": f"{SYSTEM}|{RUN}-3"})
    assert chained.count() == 1
    assert len(chained.include("Observation", "subject").fetch_raw()["entry"]) == 2
    assert client.resources("Patient").has("Observation", "subject", status="final").search(_id=made.id).count() == 1


def conditional():
    """creates on a condition"""
    searchset = client.resources("Patient").search(identifier=f"{SYSTEM}|{RUN}-once")
    body = patient(4, )
    body["identifier"][0]["value"] = f"{RUN}-once"
    first, is_new = searchset.get_or_create(body)
    second, is_new_again = searchset.get_or_create(body)
    assert is_new and not is_new_again and first.id == second.id
    body["gender"] = "unknown"
    updated, is_new = searchset.update(body)
    assert not is_new and updated.id == first.id and updated["gender"] == "unknown"


def pages():
    """follows all pages, synchronous and asynchronous"""
    for number in range(10, 25):
        patient(number).save()
    pages = client.resources("Patient").search(**{"address-city": RUN}).sort("family").limit(4)
    families = [one["name"][0]["family"] for one in pages.fetch_all()]
    assert families == sorted(families) and len(set(families)) >= 15, families

    async def together():
        found = AsyncFHIRClient(BASE).resources("Patient").search(**{"address-city": RUN}).limit(4)
        return [one async for one in found]

    assert len(asyncio.run(together())) == len(families)


def transaction():
    """sends a transaction"""
    full_url = f"urn:uuid:{uuid.uuid4()}"
    bundle = client.resource("Bundle", type="transaction", entry=[
        {"fullUrl": full_url, "resource": patient(5).serialize(), "request": {"method": "POST", "url": "Patient"}},
        {"resource": {"resourceType": "Observation", "status": "final", "code": {"text": "t"},
                      "subject": {"reference": full_url}}, "request": {"method": "POST", "url": "Observation"}},
    ])
    answer = client.execute("", data=bundle.serialize())
    assert answer["type"] == "transaction-response"
    assert all(entry["response"]["status"].startswith("201") for entry in answer["entry"])
    assert client.resources("Observation").search(**{"subject.identifier": f"{SYSTEM}|{RUN}-5"}).count() == 1


def errors():
    """understands what went wrong"""
    try:
        client.resource("Patient", birthDate="yesterday").save()
        raise AssertionError("a bad date was accepted")
    except OperationOutcome as outcome:
        assert outcome.resource["issue"][0]["expression"] == ["Patient.birthDate"], outcome.resource
    try:
        client.reference("Patient", str(uuid.uuid4())).to_resource()
        raise AssertionError("there is no such patient")
    except ResourceNotFound:
        pass


def delete():
    """deletes"""
    made = patient(6)
    made.save()
    made.delete()
    try:
        client.reference("Patient", made.id).to_resource()
        raise AssertionError("it is still there")
    except ResourceNotFound:
        pass


run("fhirpy", [create_and_read, update, patch, search, conditional, pages, transaction, errors, delete])
