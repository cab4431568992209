"""What adapters print, as typed values: one module for each kind of table, with its model and its templates.

A parser is a function from text to a frozen dataclass, or to a list of them; `parse=` on a `Command` names it. Where
two series print the same table in different shapes there is one model and two templates, so that a person, a comparison
or a search need not care which family an adapter is of.

The shapes are those of reference/devices.md §3. Every rule set ends in an error: a line that nobody expected makes the
whole text `Unparsable`, never a shorter table.

To add one: a template and its dataclass here, `parse=` in the series' files, and in tests/series/recordings/<series>/
the text (<words_of_the_command>.txt, secrets masked) with the values it should have (.json, as `series.fields` gives
them). When a real adapter prints something else, its output is the recording that the rules have to follow.
"""
