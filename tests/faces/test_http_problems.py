"""Each error has its status; a bug tells a reference and nothing else."""

import aiohttp
import pytest
from structlog.testing import capture_logs


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        ("NotFound", 404, "not-found"),
        ("Conflict", 409, "conflict"),
        ("Invalid", 422, "invalid"),
        ("DeviceRefused", 502, "device-refused"),
        ("Unreachable", 504, "unreachable"),
    ],
)
async def test_each_error_of_the_family_has_its_status(
    http: aiohttp.ClientSession, operator: dict, kind: str, status: int, code: str
):
    answer = await http.post(f"wrong/{kind}", headers=operator)
    problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["code"], problem["detail"]) == (status, code, f"This is {kind}.")
    assert problem["reference"] == answer.headers["X-Request-Id"]


async def test_a_more_precise_error_keeps_its_parents_status(http: aiohttp.ClientSession, operator: dict):
    answer = await http.post("wrong/milk", headers=operator)

    assert (answer.status, (await answer.json(content_type=None))["code"]) == (409, "out-of-milk")


async def test_too_many_says_when_to_come_back(http: aiohttp.ClientSession, operator: dict):
    answer = await http.post("wrong/busy", headers=operator)

    assert (answer.status, answer.headers["Retry-After"]) == (429, "7")


async def test_sentence_and_next_step_are_filled_from_the_errors_data(http: aiohttp.ClientSession, administrator: dict):
    answer = await http.delete("shops/keys", headers=administrator)
    problem = await answer.json(content_type=None)

    assert problem["detail"] == "Shop keys has guests since 14:03."
    assert problem["next_step"] == "Wait until they have left."


async def test_a_bug_tells_the_reader_a_reference_and_the_log_the_rest(
    http: aiohttp.ClientSession, administrator: dict
):
    with capture_logs() as logs:
        answer = await http.delete("shops/burning", headers=administrator)
    text = await answer.text()
    problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["detail"]) == (500, "Internal error")
    assert problem["reference"] in problem["next_step"]
    assert "recipe" not in text
    [bug] = [entry for entry in logs if entry["log_level"] == "error"]
    assert bug["reference"] == problem["reference"]
    assert bug["exc_info"]


async def test_a_path_that_does_not_exist_is_a_problem_too(http: aiohttp.ClientSession):
    answer = await http.get("no/such/thing")
    problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["code"]) == (404, "not-found")
    assert "/api/v1/docs" in problem["next_step"]


async def test_a_wrong_method_names_the_right_ones(http: aiohttp.ClientSession):
    answer = await http.put("shops")
    problem = await answer.json(content_type="application/problem+json")

    assert (answer.status, problem["code"], answer.headers["Allow"]) == (405, "wrong-method", "GET")


async def test_a_request_id_of_the_callers_is_kept_if_it_is_harmless(http: aiohttp.ClientSession):
    kept = await http.get("shops", headers={"X-Request-Id": "trace-0123456789"})
    replaced = await http.get("shops", headers={"X-Request-Id": "<script>alert(1)</script>"})

    assert kept.headers["X-Request-Id"] == "trace-0123456789"
    assert replaced.headers["X-Request-Id"].isalnum()


async def test_every_answer_has_the_security_headers_and_no_version(http: aiohttp.ClientSession):
    for path in ("shops", "no/such/thing", "openapi.json"):
        answer = await http.get(path)

        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert answer.headers["Server"] == "hikitsugi"


async def test_each_request_leaves_one_line_in_the_log(http: aiohttp.ClientSession, operator: dict):
    with capture_logs() as logs:
        await http.delete("shops/kyo%0Ato", headers=operator)

    [line] = logs
    assert line["event"] == "DELETE /api/v1/shops/kyo%0Ato 403"
    assert (line["route"], line["status"], line["peer"]) == ("/api/v1/shops/{shop}", 403, "127.0.0.1")
