// fhir-kit-client against a server: node client.js BASE
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { Client } from 'fhir-kit-client';
import { report } from './checks.js';

const baseUrl = process.argv[2];
const run = randomUUID();
const system = 'urn:conform:fhir-kit-client';
const client = new Client({ baseUrl });

const patient = (number) => ({
  resourceType: 'Patient',
  identifier: [{ system, value: `${run}-${number}` }],
  name: [{ family: `Kit${String(number).padStart(2, '0')}`, given: [run] }],
});
const create = (number) => client.create({ resourceType: 'Patient', body: patient(number) });
const status = (error) => error.response?.status ?? error.status;

const checks = {
  'reads the CapabilityStatement': async () => {
    const statement = await client.capabilityStatement();
    assert.equal(statement.fhirVersion, '4.0.1');
  },
  'creates, reads, reads a version': async () => {
    const made = await create(0);
    const read = await client.read({ resourceType: 'Patient', id: made.id });
    assert.equal(read.name[0].family, 'Kit00');
    const version = await client.vread({ resourceType: 'Patient', id: made.id, version: '1' });
    assert.deepEqual(version, read);
  },
  'updates with a version, and is refused with a stale one': async () => {
    const made = await create(1);
    const body = { ...made, gender: 'female' };
    const options = { headers: { 'If-Match': 'W/"1"' } };
    const updated = await client.update({ resourceType: 'Patient', id: made.id, body, options });
    assert.equal(updated.meta.versionId, '2');
    await assert.rejects(
      client.update({ resourceType: 'Patient', id: made.id, body: { ...body, gender: 'male' }, options }),
      (error) => status(error) === 412,
    );
  },
  'updates on a condition': async () => {
    const searchParams = { identifier: `${system}|${run}-upsert` };
    const body = { ...patient(2), identifier: [{ system, value: `${run}-upsert` }] };
    const first = await client.update({ resourceType: 'Patient', searchParams, body });
    const second = await client.update({ resourceType: 'Patient', searchParams, body: { ...body, active: true } });
    assert.equal(first.id, second.id);
    assert.equal(second.meta.versionId, '2');
  },
  'patches': async () => {
    const made = await create(3);
    const jsonPatch = [
      { op: 'test', path: '/name/0/family', value: 'Kit03' },
      { op: 'replace', path: '/name/0/family', value: 'Patched' },
      { op: 'add', path: '/gender', value: 'other' },
    ];
    const patched = await client.patch({ resourceType: 'Patient', id: made.id, jsonPatch });
    assert.equal(patched.name[0].family, 'Patched');
    assert.equal(patched.gender, 'other');
  },
  'searches by GET and by POST': async () => {
    const made = await create(4);
    const searchParams = { identifier: `${system}|${run}-4`, _summary: 'false' };
    const found = await client.search({ resourceType: 'Patient', searchParams });
    assert.deepEqual(found.entry.map((entry) => entry.resource.id), [made.id]);
    const posted = await client.search({ resourceType: 'Patient', searchParams, options: { postSearch: true } });
    assert.equal(posted.total, 1);
  },
  'follows all pages, and back': async () => {
    for (let number = 10; number < 21; number += 1) await create(number);
    const searchParams = { given: run, family: 'Kit1', _sort: 'family', _count: '3' };
    let bundle = await client.search({ resourceType: 'Patient', searchParams });
    const families = [];
    let pages = 0;
    for (let next = bundle; next; next = await client.nextPage({ bundle })) {
      bundle = next;
      pages += 1;
      families.push(...bundle.entry.map((entry) => entry.resource.name[0].family));
    }
    assert.deepEqual(families, Array.from({ length: 10 }, (_, n) => `Kit${n + 10}`));
    assert.equal(pages, 4);
    const previous = await client.prevPage({ bundle });
    assert.equal(previous.entry.length, 3);
  },
  'searches a compartment and the whole system': async () => {
    const made = await create(5);
    const body = { resourceType: 'Observation', status: 'final', code: { text: run }, subject: { reference: `Patient/${made.id}` } };
    await client.create({ resourceType: 'Observation', body });
    const compartment = { resourceType: 'Patient', id: made.id };
    const inside = await client.search({ resourceType: 'Observation', compartment });
    assert.equal(inside.total, 1);
    const whole = await client.search({ searchParams: { _type: 'Patient,Observation', _id: made.id } });
    assert.equal(whole.total, 1);
  },
  'reads histories': async () => {
    const made = await create(6);
    await client.update({ resourceType: 'Patient', id: made.id, body: { ...made, active: true } });
    const own = await client.history({ resourceType: 'Patient', id: made.id });
    assert.equal(own.total, 2);
    assert.equal((await client.history({ resourceType: 'Patient' })).type, 'history');
    assert.equal((await client.history()).type, 'history');
  },
  'sends a transaction and a batch': async () => {
    const fullUrl = `urn:uuid:${randomUUID()}`;
    const entry = [
      { fullUrl, resource: patient(7), request: { method: 'POST', url: 'Patient' } },
      {
        resource: { resourceType: 'Observation', status: 'final', code: { text: 't' }, subject: { reference: fullUrl } },
        request: { method: 'POST', url: 'Observation' },
      },
    ];
    const done = await client.transaction({ body: { resourceType: 'Bundle', type: 'transaction', entry } });
    assert.ok(done.entry.every((one) => one.response.status.startsWith('201')));
    const read = { request: { method: 'GET', url: `Patient?identifier=${system}|${run}-7` } };
    const batch = await client.batch({ body: { resourceType: 'Bundle', type: 'batch', entry: [read] } });
    assert.equal(batch.entry[0].resource.total, 1);
  },
  'resolves references': async () => {
    const made = await create(8);
    const resolved = await client.resolve({ reference: `Patient/${made.id}` });
    assert.equal(resolved.id, made.id);
  },
  'understands what went wrong': async () => {
    await assert.rejects(
      client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', birthDate: 'yesterday' } }),
      (error) => status(error) === 400 && JSON.stringify(error.response.data).includes('Patient.birthDate'),
    );
    await assert.rejects(client.read({ resourceType: 'Patient', id: run }), (error) => status(error) === 404);
  },
  'deletes': async () => {
    const made = await create(9);
    await client.delete({ resourceType: 'Patient', id: made.id });
    await assert.rejects(client.read({ resourceType: 'Patient', id: made.id }), (error) => status(error) === 410);
  },
};

await report('fhir-kit-client', checks);
