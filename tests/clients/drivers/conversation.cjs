// A driver reads questions as lines of JSON and writes an answer for each.
'use strict'

const readline = require('node:readline')

module.exports.converse = async (operations) => {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const question = JSON.parse(line)
    let answer
    try {
      answer = await operations[question.do](question)
    } catch (error) {
      answer = { raised: `${error.name}: ${error.message}` }
    }
    process.stdout.write(`${JSON.stringify(answer)}\n`)
  }
}
