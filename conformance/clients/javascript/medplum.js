// The client of Medplum, which is used with other servers too, and the library that GraphQL's tools share: node medplum.js BASE
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { MedplumClient } from '@medplum/core';
import { buildClientSchema, getIntrospectionQuery, parse, validate, validateSchema } from 'graphql';
import { report } from './checks.js';

const base = new URL(process.argv[2]);
const run = randomUUID();
const system = 'urn:conform:medplum';
const settings = { baseUrl: `${base.origin}/`, fhirUrlPath: base.pathname.slice(1), fetch, cacheTime: 0 };
const client = new MedplumClient({ ...settings, autoBatchTime: 0 });

const patient = (mark) => ({
  resourceType: 'Patient',
  identifier: [{ system, value: `${run}-${mark}` }],
  name: [{ family: 'Medplum', given: [run] }],
});
const query = (mark) => `identifier=${system}|${run}-${mark}`;
const coded = (code) => (error) => error.outcome?.issue[0].code === code;

const checks = {
  'creates, reads, updates and reads a history': async () => {
    const made = await client.createResource(patient(0));
    const updated = await client.updateResource({ ...made, active: true });
    assert.equal(updated.meta.versionId, '2');
    assert.deepEqual(await client.readReference({ reference: `Patient/${made.id}` }), updated);
    assert.deepEqual(await client.readVersion('Patient', made.id, '1'), made);
    const history = await client.readHistory('Patient', made.id);
    assert.deepEqual(history.entry.map((entry) => entry.resource.meta.versionId), ['2', '1']);
  },
  'creates and updates on conditions': async () => {
    const made = await client.createResourceIfNoneExist(patient(1), query(1));
    const again = await client.createResourceIfNoneExist(patient(1), query(1));
    assert.equal(again.id, made.id);
    const updated = await client.upsertResource({ ...patient(1), gender: 'female' }, query(1));
    assert.deepEqual([updated.id, updated.meta.versionId], [made.id, '2']);
  },
  'patches': async () => {
    const made = await client.createResource(patient(2));
    const patched = await client.patchResource('Patient', made.id, [{ op: 'add', path: '/gender', value: 'other' }]);
    assert.equal(patched.gender, 'other');
    const test = [{ op: 'test', path: '/gender', value: 'male' }];
    await assert.rejects(client.patchResource('Patient', made.id, test), coded('processing'));
  },
  'searches and follows all pages': async () => {
    for (let number = 10; number < 18; number += 1) await client.createResource(patient(number));
    const sizes = [];
    const search = new URLSearchParams({ given: run, 'identifier:missing': 'false', _count: '3' });
    for await (const page of client.searchResourcePages('Patient', search)) sizes.push(page.length);
    assert.deepEqual([sizes.slice(0, 3), sizes.reduce((sum, size) => sum + size)], [[3, 3, 3], 11]);
    assert.equal((await client.searchOne('Patient', query(17))).name[0].family, 'Medplum');
    assert.equal(await client.searchOne('Patient', query('none')), undefined);
  },
  'gathers what it reads at the same time into a batch': async () => {
    const made = await client.createResource(patient(20));
    const gathering = new MedplumClient({ ...settings, autoBatchTime: 20 });
    const [read, found, missing] = await Promise.all([
      gathering.readResource('Patient', made.id),
      gathering.search('Patient', query(20)),
      gathering.readResource('Patient', run).catch((error) => error),
    ]);
    assert.deepEqual([read.id, found.total, coded('not-found')(missing)], [made.id, 1, true]);
  },
  'sends patches in a batch': async () => {
    const made = await client.createResource(patient(21));
    const data = btoa('[{"op":"add","path":"/active","value":true}]');
    const resource = { resourceType: 'Binary', contentType: 'application/json-patch+json', data };
    const entry = [{ request: { method: 'PATCH', url: `Patient/${made.id}` }, resource }];
    const done = await client.executeBatch({ resourceType: 'Bundle', type: 'batch', entry });
    assert.equal(done.entry[0].response.status, '200 OK');
    assert.equal((await client.readResource('Patient', made.id)).active, true);
  },
  'stores content and gets it back': async () => {
    const made = await client.createBinary({ data: new Uint8Array([0, 1, 254]), contentType: 'application/octet-stream' });
    const content = await client.download(client.fhirUrl('Binary', made.id));
    assert.deepEqual([...new Uint8Array(await content.arrayBuffer())], [0, 1, 254]);
  },
  'calls operations': async () => {
    const made = await client.createResource(patient(22));
    assert.equal((await client.readPatientEverything(made.id)).entry.length, 1);
    const url = 'http://hl7.org/fhir/ValueSet/administrative-gender';
    const expanded = await client.valueSetExpand({ url, filter: 'fem' });
    assert.deepEqual(expanded.expansion.contains.map((one) => one.code), ['female']);
    const outcome = await client.validateResource({ resourceType: 'Patient', gender: 'x' });
    assert.equal(outcome.issue[0].severity, 'error');
  },
  'asks in GraphQL': async () => {
    const made = await client.createResource(patient(23));
    const asked = await client.graphql('query One($id: ID!) { Patient(id: $id) { id name { family } } }', 'One', { id: made.id });
    assert.deepEqual(asked.data.Patient, { id: made.id, name: [{ family: 'Medplum' }] });
  },
  'learns the schema of GraphQL': async () => {
    const options = { descriptions: true, specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true };
    const told = await client.graphql(getIntrospectionQuery({ ...options, inputValueDeprecation: true }));
    const schema = buildClientSchema(told.data);
    assert.deepEqual(validateSchema(schema), []);
    assert.deepEqual(validate(schema, parse('{ PatientList(name: "x") { id name(use: official) { family } } }')).length, 1);
    assert.deepEqual(validate(schema, parse('{ PatientList(name: "x") { id name(use: "official") { family } } }')), []);
  },
  'understands what went wrong, and deletes': async () => {
    const made = await client.createResource(patient(24));
    await assert.rejects(client.createResource({ ...patient(25), gender: 'x' }), coded('code-invalid'));
    await assert.rejects(client.readResource('Patient', run), coded('not-found'));
    await client.deleteResource('Patient', made.id);
    await assert.rejects(client.readResource('Patient', made.id), coded('deleted'));
  },
};

await report('@medplum/core', checks);
