"""b24pysdk, the official Python SDK."""

from __future__ import annotations

from typing import Any

from b24pysdk import BitrixApp, BitrixToken, BitrixWebhook
from b24pysdk.api.requesters.bitrix_oauth_requester import BitrixOAuthRequester
from b24pysdk.errors import BitrixAPIError
from conversation import Question, converse

TYPED = {
    "crm.contact.company.fields": lambda api, params: api.fields(),
    "crm.contact.company.add": lambda api, params: api.add(params["id"], params["fields"]),
    "crm.contact.company.delete": lambda api, params: api.delete(params["id"], params["fields"]),
    "crm.contact.company.items.get": lambda api, params: api.items.get(params["id"]),
    "crm.contact.company.items.set": lambda api, params: api.items.set(params["id"], params["items"]),
    "crm.contact.company.items.delete": lambda api, params: api.items.delete(params["id"]),
}


def webhook(question: Question) -> BitrixWebhook:
    portal = question["portal"]
    return BitrixWebhook(domain=portal["host"], webhook_token=f"{portal['user']}/{portal['code']}")


def refusal(error: BitrixAPIError) -> dict[str, Any]:
    return {"code": error.error, "text": error.error_description, "status": error.response.status_code}


def call(question: Question) -> dict[str, Any]:
    method, params = question["method"], question["params"]
    try:
        if method in TYPED:
            api = webhook(question).get_client().crm.contact.company
            return {"result": TYPED[method](api, params).response.result}
        return {"result": webhook(question).call_method(method, params)["result"]}
    except BitrixAPIError as error:
        return {"error": refusal(error)}


def batch(question: Question) -> dict[str, Any]:
    answer = webhook(question).call_batches([tuple(command) for command in question["commands"]])["result"]
    results, errors = as_map(answer["result"]), as_map(answer["result_error"])
    answers = []
    for key in map(str, range(len(question["commands"]))):
        if key in errors:
            failed = errors[key]
            answers.append({"error": {"code": failed["error"], "text": failed["error_description"]}})
        else:
            answers.append({"result": results[key]})
    return {"answers": answers}


def as_map(value: Any) -> dict[str, Any]:
    pairs = enumerate(value) if isinstance(value, list) else value.items()
    return {str(key): one for key, one in pairs}


def rows(question: Question) -> dict[str, Any]:
    return {"rows": webhook(question).call_list(question["method"], question["params"])["result"]}


def rows_by_id(question: Question) -> dict[str, Any]:
    found = webhook(question).call_list_fast(question["method"], question["params"])["result"]
    return {"rows": list(found)}


def application(question: Question) -> BitrixApp:
    # The address of the authorization server is a constant of the SDK.
    BitrixOAuthRequester._OAUTH_TOKEN_URL = question["portal"]["url"] + "oauth/token/"
    return BitrixApp(client_id=question["app"]["client_id"], client_secret=question["app"]["client_secret"])


def exchange(question: Question) -> dict[str, Any]:
    renewed = application(question).get_oauth_token(question["code"])
    token = renewed.oauth_token
    return {
        "access_token": token.access_token,
        "refresh_token": token.refresh_token,
        "expires_in": token.expires_in,
        "user_id": renewed.user_id,
        "member_id": renewed.member_id,
    }


def refresh(question: Question) -> dict[str, Any]:
    token = BitrixToken(
        domain=question["portal"]["host"],
        auth_token=question["access_token"],
        refresh_token=question["refresh_token"],
        bitrix_app=application(question),
    )
    result = token.call_method("profile")["result"]
    return {"result": result, "access_token": token.auth_token, "refresh_token": token.refresh_token}


if __name__ == "__main__":
    converse(call, batch, rows, rows_by_id, exchange, refresh)
