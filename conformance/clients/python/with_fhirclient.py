"""fhirclient (SMART's client for Python) against a server: with_fhirclient.py BASE"""

import sys
import uuid

import requests
from fhirclient.client import FHIRClient
from fhirclient.models import bundle, codeableconcept, fhirreference, humanname, identifier, observation, patient
from fhirclient.server import FHIRNotFoundException

from checks import run

BASE = sys.argv[1]
RUN = str(uuid.uuid4())
SYSTEM = "urn:conform:fhirclient"
server = FHIRClient(settings={"app_id": "conform", "api_base": BASE}).server


def person(number):
    one = patient.Patient()
    one.identifier = [identifier.Identifier({"system": SYSTEM, "value": f"{RUN}-{number}"})]
    one.name = [humanname.HumanName({"family": RUN, "given": [f"G{number:02}"]})]
    return one


def made(number):
    return patient.Patient(person(number).create(server))


def capabilities():
    """reads the CapabilityStatement into its model"""
    statement = server.capabilityStatement
    assert statement.fhirVersion == "4.0.1" and len(statement.rest[0].resource) > 140


def create_and_read():
    """creates and reads"""
    read = patient.Patient.read(made(0).id, server)
    assert read.name[0].given == ["G00"] and read.meta.versionId == "1"


def update():
    """updates, and is refused with a stale version"""
    one = made(1)
    one.gender = "female"
    again = patient.Patient(one.update(server))
    assert again.meta.versionId == "2" and again.gender == "female"
    server.session.headers["If-Match"] = 'W/"1"'
    try:
        one.update(server)
        raise AssertionError("a stale version was accepted")
    except requests.HTTPError as error:
        assert error.response.status_code == 412
    finally:
        del server.session.headers["If-Match"]


def search_and_pages():
    """searches and follows all pages"""
    for number in range(10, 23):
        made(number)
    found = patient.Patient.where({"family": RUN, "given": "G1", "_count": "3", "_sort": "-given"})
    given = [one.name[0].given[0] for one in found.perform_resources_iter(server)]
    assert given == [f"G{number}" for number in range(19, 9, -1)], given


def include():
    """includes, in the models"""
    one = made(2)
    result = observation.Observation()
    result.status, result.code = "final", codeableconcept.CodeableConcept({"text": "x"})
    result.subject = fhirreference.FHIRReference({"reference": f"Patient/{one.id}"})
    result.create(server)
    search = observation.Observation.where({"patient": one.id}).include("subject")
    kinds = sorted(found.resource_type for found in search.perform_resources_iter(server))
    assert kinds == ["Observation", "Patient"], kinds
    read = observation.Observation.where({"patient": one.id}).perform_resources(server)[0]
    assert read.subject.resolved(patient.Patient).id == one.id


def transaction():
    """sends a transaction"""
    full_url = f"urn:uuid:{uuid.uuid4()}"
    sent = bundle.Bundle({"type": "transaction", "entry": [
        {"fullUrl": full_url, "resource": person(3).as_json(), "request": {"method": "POST", "url": "Patient"}},
        {"resource": {"resourceType": "Observation", "status": "final", "code": {"text": "t"},
                      "subject": {"reference": full_url}}, "request": {"method": "POST", "url": "Observation"}},
    ]})
    answer = bundle.Bundle(server.post_json("", sent.as_json()).json())
    assert [entry.response.status[:3] for entry in answer.entry] == ["201", "201"]


def errors():
    """understands what went wrong"""
    try:
        patient.Patient.read(str(uuid.uuid4()), server)
        raise AssertionError("there is no such patient")
    except FHIRNotFoundException:
        pass
    try:
        server.post_json("Patient", {"resourceType": "Patient", "birthDate": "yesterday"})
        raise AssertionError("a bad date was accepted")
    except requests.HTTPError as error:
        assert error.response.json()["issue"][0]["expression"] == ["Patient.birthDate"]


def delete():
    """deletes"""
    one = made(4)
    one.delete(server)
    try:
        patient.Patient.read(one.id, server)
        raise AssertionError("it is still there")
    except requests.HTTPError as error:
        assert error.response.status_code == 410
    except FHIRNotFoundException:
        pass


run("fhirclient", [capabilities, create_and_read, update, search_and_pages, include, transaction, errors, delete])
