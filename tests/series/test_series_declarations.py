"""Each series is complete and consistent as data."""

from __future__ import annotations

import pytest

from controller.series import ALL, Series, by_name


def test_a_series_is_found_by_its_name_and_an_unknown_one_lists_the_names() -> None:
    assert [series.name for series in ALL] == ["seil3", "seil8", "seil6"]
    assert by_name("seil8").config_language == "key-value"

    with pytest.raises(LookupError, match="seil3, seil8, seil6"):
        by_name("seil9")


def test_no_model_belongs_to_two_series() -> None:
    models = [model for series in ALL for model in series.models]

    assert len(models) == len(set(models))


@pytest.mark.parametrize("series", ALL, ids=lambda series: series.name)
class TestSeries:
    def test_command_names_are_unique(self, series: Series) -> None:
        names = [command.name for command in series.commands]

        assert len(names) == len(set(names))

    def test_commands_and_sa_types_name_only_models_of_the_series(self, series: Series) -> None:
        named = {model for command in series.commands for model in command.models} | set(series.sa_types)

        assert named <= set(series.models)

    def test_optional_arguments_come_last(self, series: Series) -> None:
        for command in series.commands:
            optional = [argument.optional for argument in command.arguments]
            assert optional == sorted(optional)

    def test_the_prompt_is_bare(self, series: Series) -> None:
        assert series.prompt.fullmatch(b"# ")
        assert series.prompt.fullmatch(b"#")
        assert not series.prompt.fullmatch(b"branch-a# ")

    @pytest.mark.parametrize("text", [b"--More--", b"-- more --", b"--More-- ", b"--More--(40%)--"])
    def test_the_pager_is_known_in_its_usual_spellings(self, series: Series, text: bytes) -> None:
        assert series.pager.fullmatch(text)

    @pytest.mark.parametrize("line", [b"% Unknown command.\r\n", b"error: no such interface\r\n", b"Invalid argument"])
    def test_an_error_line_alone_is_a_refusal(self, series: Series, line: bytes) -> None:
        assert series.refuses_in(line)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"\r\n",
            b"No BGP network exists\r\n",
            b"BGP protocol is disabled\r\n",
            b"642 Nov 22 06:30:05   error  route bgpd[4966]: ...\r\n",
            b"error: one\r\nerror: two\r\n",
            b"lan0: up\r\nerror 0\r\n",
        ],
    )
    def test_output_that_speaks_of_errors_is_not_a_refusal(self, series: Series, body: bytes) -> None:
        assert not series.refuses_in(body)

    def test_bytes_that_are_no_text_do_not_break_the_refusal(self, series: Series) -> None:
        assert series.refuses_in(b"% \xff\xfe")


def test_what_an_adapter_said_is_quoted_without_secrets_and_controls() -> None:
    series = by_name("seil8")
    quoted = series.quote(b"% error: \x00\x1b[31m login.admin.encrypted-password: $2a$09$verysecret\r\n")

    assert quoted.startswith("% error: \\x00\\x1b[31m")
    assert "verysecret" not in quoted
    assert series.quote(b"x" * 9000) == "x" * 200
