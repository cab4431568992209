"""Result codes: every answer and every finished operation carries one."""

from enum import IntEnum


class ResultCode(IntEnum):
    """All codes of the specification.

    What a real client does with a code in an answer to a pull (seen with armsd): 2xx and 503 make it exit and reboot,
    3xx and 4xx make it wait and retry, 501 ends it for good, and **502 makes it pull again at once, for ever**.
    So 502 and 507 are never for a fleet; 301 is the way to shed load.
    """

    SUCCESS = 100
    COMMAND_EXECUTE_ERROR = 102
    INVALID_XML = 201
    INVALID_MESSAGE_TYPE = 202
    INVALID_PARAMETER = 203
    SERVER_BUSY = 301
    SA_BUSY = 302
    MODULE_SYNCING = 303
    BAD_REQUEST = 400
    SERVER_FAILURE = 401
    SA_FAILURE = 402
    AUTHENTICATION_FAILED = 403
    SA_STAND_BY = 404
    NOT_FOUND = 405
    TOO_MANY_TRANSACTIONS = 406
    TOO_MANY_STATUS = 407
    INVALID_STORAGE = 408
    INVALID_MODULE_ID = 409
    VALIDATION_FAILURE = 410
    COMMIT_FAILURE = 411
    TRANSACTION_FAILURE = 412
    RESOURCE_EXHAUSTED = 413
    SA_ROLLED_BACK = 414
    SYSTEM_ERROR = 415
    SYSTEM_MISMATCH = 416
    INVALID_HARDWARE = 417
    INVALID_FIRMWARE = 418
    MODULE_SYNC_NEEDED = 419
    DISTRIBUTION_ID_NOT_FOUND = 420
    CONFIGURATION_NOT_FOUND = 421
    MULTIPLE_REQUEST = 422
    DISTRIBUTION_ID_MISMATCH = 423
    OUT_OF_SERVICE = 501
    PUSH_FAILED = 502
    NEED_REBOOT = 503
    ADDRESS_MISMATCH = 504
    NOT_SUPPORTED = 505
    SERVER_MOVED = 506
    INVALID_TYPE = 507
    ROLLBACK_FAILURE = 508

    @property
    def phrase(self) -> str:
        """The specification's words for the code, fit for a message's description ("SA marked stand-by")."""
        return _PHRASES[self]

    @property
    def adapter_phrase(self) -> str:
        """The real adapter's words where captures show that they are others; for emulated adapters."""
        return _ADAPTER_PHRASES.get(self, self.phrase)

    @property
    def is_success(self) -> bool:
        return self is ResultCode.SUCCESS


_ADAPTER_PHRASES = {
    ResultCode.INVALID_MESSAGE_TYPE: "Invalid Message type",
    ResultCode.INVALID_PARAMETER: "Invalid Parameter",
    ResultCode.SA_FAILURE: "SA Failure",
    ResultCode.SYSTEM_ERROR: "System Error",
    ResultCode.DISTRIBUTION_ID_MISMATCH: "Distribution ID Mismatch",
}

_PHRASES = {
    ResultCode.SUCCESS: "Success",
    ResultCode.COMMAND_EXECUTE_ERROR: "Command execute error",
    ResultCode.INVALID_XML: "Invalid XML",
    ResultCode.INVALID_MESSAGE_TYPE: "Invalid message type",
    ResultCode.INVALID_PARAMETER: "Invalid parameter",
    ResultCode.SERVER_BUSY: "Server busy",
    ResultCode.SA_BUSY: "SA busy",
    ResultCode.MODULE_SYNCING: "Module syncing",
    ResultCode.BAD_REQUEST: "Bad request",
    ResultCode.SERVER_FAILURE: "Server failure",
    ResultCode.SA_FAILURE: "SA failure",
    ResultCode.AUTHENTICATION_FAILED: "Authentication failed",
    ResultCode.SA_STAND_BY: "SA marked stand-by",
    ResultCode.NOT_FOUND: "Not found",
    ResultCode.TOO_MANY_TRANSACTIONS: "Too many transactions",
    ResultCode.TOO_MANY_STATUS: "Too many status",
    ResultCode.INVALID_STORAGE: "Invalid storage",
    ResultCode.INVALID_MODULE_ID: "Invalid module id",
    ResultCode.VALIDATION_FAILURE: "Validation failure",
    ResultCode.COMMIT_FAILURE: "Commit failure",
    ResultCode.TRANSACTION_FAILURE: "Transaction failure",
    ResultCode.RESOURCE_EXHAUSTED: "Resource exhausted",
    ResultCode.SA_ROLLED_BACK: "SA rolled back",
    ResultCode.SYSTEM_ERROR: "System error",
    ResultCode.SYSTEM_MISMATCH: "System mismatch",
    ResultCode.INVALID_HARDWARE: "Invalid hardware",
    ResultCode.INVALID_FIRMWARE: "Invalid firmware",
    ResultCode.MODULE_SYNC_NEEDED: "Module sync needed",
    ResultCode.DISTRIBUTION_ID_NOT_FOUND: "Distribution-id not found",
    ResultCode.CONFIGURATION_NOT_FOUND: "Configuration not found",
    ResultCode.MULTIPLE_REQUEST: "Multiple request",
    ResultCode.DISTRIBUTION_ID_MISMATCH: "Distribution-id mismatch",
    ResultCode.OUT_OF_SERVICE: "Out of service",
    ResultCode.PUSH_FAILED: "Push failed",
    ResultCode.NEED_REBOOT: "Need reboot",
    ResultCode.ADDRESS_MISMATCH: "Address mismatch",
    ResultCode.NOT_SUPPORTED: "Not supported",
    ResultCode.SERVER_MOVED: "Server moved",
    ResultCode.INVALID_TYPE: "Invalid type",
    ResultCode.ROLLBACK_FAILURE: "Rollback failure",
}
