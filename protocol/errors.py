"""The two ways in which a message can be wrong: theirs (PeerMistake) and ours (OurMistake)."""


class ProtocolError(Exception):
    """A message that cannot be read or must not be sent. `detail` is one sentence for a person."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class PeerMistake(ProtocolError):
    """What came in is not what the specification (or the real client) says. Nothing of it has been used."""


class OurMistake(ProtocolError):
    """What we were about to send would break a real peer, so it was not sent: a bug or a bad setting of ours."""
