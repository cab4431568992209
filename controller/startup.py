"""The one error that ends a start: what is wrong, where, and what to do, for the person at the terminal."""


class CannotStart(Exception):
    """The controller cannot start, or cannot go on, and a person must act.

    The text is one or more whole sentences, ready to print: what is wrong, where, and the next step.
    """
