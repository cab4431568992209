"""An adapter takes a code over from another one, by swap or by replacement: what is said of that, the same for both."""

from __future__ import annotations

from collections.abc import Iterator

from controller.domain.sentence import Sentence, sentence


def who_comes_in(code: str, *, old: str, old_model: str, new: str, new_model: str) -> Sentence:
    """Which adapter leaves the code, and which one it holds from then on."""
    return sentence(
        "{code}: {old} ({old_model}) goes out, {new} ({new_model}) comes in.",
        code=code,
        old=old,
        old_model=old_model,
        new=new,
        new_model=new_model,
    )


def firmware_of(code: str, model: str, version: str | None) -> Sentence:
    """The code's firmware target from then on (R3.14). version: None when no image is catalogued for the model."""
    if version:
        return sentence("The firmware target of {code} becomes {version}.", code=code, version=version)
    return sentence("No firmware image is catalogued for {model}: no target is set.", model=model)


def to_think_about(
    *, old_model: str, new: str, new_model: str, firmware: str, version: str | None
) -> Iterator[Sentence]:
    """What may go otherwise than hoped. firmware: what the new adapter last ran, "" when nobody knows.

    version: the firmware target, None when there is none or the code is no entry.
    """
    if new_model != old_model:
        yield sentence(
            "The models differ ({old_model}, {new_model}): the config may name interfaces that do not exist.",
            old_model=old_model,
            new_model=new_model,
        )
    if version and firmware and firmware != version:
        yield sentence(
            "{new} last ran {firmware}; it updates to {version} before it starts service.",
            new=new,
            firmware=firmware,
            version=version,
        )
