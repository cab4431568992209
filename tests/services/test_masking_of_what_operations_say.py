"""What adapters say of an operation beside its outputs is kept without secrets, too."""

from __future__ import annotations

from controller.services import operation_json
from protocol.arms.codes import ResultCode
from protocol.arms.messages import Kind, PushResponse


def test_a_description_is_masked() -> None:
    said = 'refused: ppp passphrase "hunter2"\n snmp community hunter2\0'
    answer = PushResponse(Kind.MD_COMMAND, ResultCode.COMMAND_EXECUTE_ERROR, said, None, None)

    kept = operation_json.said(Kind.MD_COMMAND, answer).description

    assert "hunter2" not in kept and kept.startswith("refused: ppp") and "\0" not in kept
