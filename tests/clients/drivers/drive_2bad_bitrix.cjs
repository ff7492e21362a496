// @2bad/bitrix: everything is a GET, a batch too.
'use strict'

const { Bitrix } = require('@2bad/bitrix')
const { converse } = require('./conversation.cjs')

const webhook = ({ portal, once }) =>
  Bitrix(`${portal.url}rest/${portal.user}/${portal.code}`, undefined, once ? { retry: 0 } : {})

const refusal = ({ response: { statusCode: status, body } }) => ({
  code: body.error,
  text: body.error_description,
  status
})

const call = async (question) => {
  try {
    return { result: (await webhook(question).call(question.method, question.params)).result }
  } catch (error) {
    if (!error.response) throw error
    return { error: refusal(error) }
  }
}

const batch = async (question) => {
  const commands = question.commands.map(([method, params]) => ({ method, params }))
  const { result } = await webhook(question).batch(commands)
  return { answers: Object.values(result.result).map((one) => ({ result: one })) }
}

const rows = async (question) => ({
  rows: (await webhook(question).list(question.method, question.params)).result
})

const by_token = async ({ portal, access_token: auth }) => {
  try {
    // Its own parameter for a token never reaches the request with the version of got that it brings.
    return { result: (await Bitrix(`${portal.url}rest`).call('profile', { auth })).result }
  } catch (error) {
    return { error: refusal(error) }
  }
}

converse({ call, batch, rows, by_token })
