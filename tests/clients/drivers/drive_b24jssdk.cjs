// @bitrix24/b24jssdk, the official JavaScript SDK. It reads lists by their ids.
'use strict'

const { B24Hook, B24OAuth, ParamsFactory } = require('@bitrix24/b24jssdk')
const { converse } = require('./conversation.cjs')

const webhook = ({ portal, once }) => {
  const limits = { ...ParamsFactory.getDefault(), ...(once ? { maxRetries: 1 } : {}) }
  const params = { b24Url: portal.url.slice(0, -1), userId: portal.user, secret: portal.code }
  const client = new B24Hook(params, { restrictionParams: limits })
  client.offClientSideWarning()
  return client
}

const refusal = (error) => ({ code: error.code, text: error.message, status: error.status })

const call = async (question) => {
  const { method, params } = question
  try {
    const answer = await webhook(question).actions.v2.call.make({ method, params })
    return answer.isSuccess
      ? { result: answer.getData().result }
      : { error: refusal([...answer.getErrors()][0]) }
  } catch (error) {
    return { error: refusal(error) }
  }
}

const batch = async (question) => {
  const answer = await webhook(question).actions.v2.batch.make({
    calls: question.commands,
    options: { isHaltOnError: false, returnAjaxResult: true }
  })
  const answers = [...answer.getData()].map((one) =>
    one.isSuccess ? { result: one.getData().result } : { error: refusal([...one.getErrors()][0]) }
  )
  return { answers }
}

const long_batch = async (question) => {
  const options = { isHaltOnError: false }
  const answer = await webhook(question).actions.v2.batchByChunk.make({ calls: question.commands, options })
  return { answers: answer.getData().map((result) => ({ result })) }
}

const rows_by_id = async (question) => {
  const answer = await webhook(question).actions.v2.callList.make({
    method: question.method,
    params: question.params,
    idKey: question.key,
    cursorIdKey: question.order,
    customKeyForResult: question.wrap || null
  })
  return answer.isSuccess ? { rows: answer.getData() } : { error: refusal([...answer.getErrors()][0]) }
}

const refresh = async ({ portal, app, access_token, refresh_token }) => {
  const auth = {
    applicationToken: '',
    userId: 1,
    memberId: 'member',
    accessToken: access_token,
    refreshToken: refresh_token,
    expires: Math.floor(Date.now() / 1000) + 3600, // it believes that the token is still good
    expiresIn: 3600,
    scope: 'crm',
    domain: portal.url.slice(0, -1),
    clientEndpoint: `${portal.url}rest/`,
    serverEndpoint: `${portal.url}rest/`,
    status: 'L',
    issuer: 'request'
  }
  const client = new B24OAuth(auth, { clientId: app.client_id, clientSecret: app.client_secret })
  client.offClientSideWarning()
  let renewed = {}
  client.setCallbackRefreshAuth(async ({ authData }) => { renewed = authData })
  const answer = await client.actions.v2.call.make({ method: 'profile', params: {} })
  if (!answer.isSuccess) return { error: refusal([...answer.getErrors()][0]) }
  const { access_token: token, refresh_token: another } = renewed
  return { result: answer.getData().result, access_token: token, refresh_token: another }
}

converse({ call, batch, long_batch, rows_by_id, refresh })
