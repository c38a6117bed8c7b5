// Xen Orchestra's own client: node life.mjs URL USER PASSWORD TRANSPORT
import assert from 'node:assert'
import { createClient } from 'xen-api'

const [url, user, password, transport] = process.argv.slice(2)
const xapi = createClient({ url, auth: { user, password }, transport, allowUnauthorized: true, watchEvents: true })
await xapi.connect()
await xapi.objectsFetched

const all = () => Object.values(xapi.objects.all)
const template = all().find(object => object.$type === 'VM' && object.is_a_template && object.other_config.disks !== undefined)
const network = all().find(object => object.$type === 'network' && object.name_label.endsWith('eth0'))

// What the client keeps from events alone, once everything that was done is known to it.
const kept = async ref => xapi.barrier(ref)

const vm = await xapi.callAsync('VM.clone', template.$ref, 'life')
await xapi.callAsync('VM.provision', vm)
await xapi.call('VIF.create', {
  VM: vm, network: network.$ref, device: '0', MAC: '', MTU: 1500, other_config: {}, qos_algorithm_type: '', qos_algorithm_params: {},
})
await xapi.callAsync('VM.start', vm, false, false)
assert.equal((await kept(vm)).power_state, 'Running')
await xapi.callAsync('VM.suspend', vm)
assert.equal((await kept(vm)).power_state, 'Suspended')
await xapi.callAsync('VM.resume', vm, false, false)
const snapshot = await xapi.callAsync('VM.snapshot', vm, 'kept')
assert.equal((await kept(snapshot)).is_a_snapshot, true)
await xapi.callAsync('VM.hard_shutdown', vm)
assert.equal((await kept(vm)).power_state, 'Halted')

for (const doomed of [snapshot, vm]) {
  const drives = await Promise.all((await xapi.getField('VM', doomed, 'VBDs')).map(ref => xapi.getRecord('VBD', ref)))
  await xapi.callAsync('VM.destroy', doomed)
  for (const drive of drives.filter(drive => drive.type === 'Disk')) {
    await xapi.callAsync('VDI.destroy', drive.VDI)
  }
}
await xapi.barrier()
assert.equal(all().find(object => object.$ref === vm), undefined)
// The client marks the pool for every barrier and takes old marks away an hour later.
const marks = Object.keys(await xapi.getField('pool', xapi.pool.$ref, 'other_config')).filter(key => key.startsWith('xo:barrier:'))
await Promise.all(marks.map(key => xapi.setFieldEntry('pool', xapi.pool.$ref, 'other_config', key, null)))
await xapi.disconnect()
process.exit(0)
