"""Inventory rows for tests: one line an adapter, numbered."""

from protocol.ids import DistributionId

HEADER = "contract,code,kind,serial,series,model,distribution_id,ls_sa_key,ssh_password,config\r\n"
_MODELS = {"seil3": "SEIL/X1", "seil8": "SEIL/X4", "seil6": "SA-W2"}


def distribution_id(number: int) -> DistributionId:
    return DistributionId(1 << 112 | 15 << 64 | 0x02E04DFFFE000000 | number)


def csv_row(
    code: str, number: int, *, kind: str = "entry", series: str = "seil8", contract: str = "C1", config: str = ""
) -> str:
    text = '"' + config.replace('"', '""') + '"' if config else ""
    return (
        f"{contract},{code},{kind},SER{number:05d},{series},{_MODELS[series]},{distribution_id(number)},"
        f"ls-{number},pw-{number},{text}\r\n"
    )
