// Read a simulation a line, and write its outcome a line, in the same order.
import { createInterface } from 'node:readline'
import { runSimulation } from '@cloud-copilot/iam-simulate'

for await (const line of createInterface({ input: process.stdin })) {
  const result = await runSimulation(JSON.parse(line), {})
  const outcome = result.resultType === 'error' ? `error ${JSON.stringify(result.errors)}` : result.overallResult
  process.stdout.write(`${outcome}\n`)
}
