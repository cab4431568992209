"""The fleet's commands speak Japanese where the terminal does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import agent.cli
import agent.saying
from agent.japanese import SENTENCES

_SAID = re.compile(r'_\(\s*"((?:[^"\\]|\\.)+)"')
_NAMED = re.compile(r'"(\{(?:count|serial)\}[^"]*\.)"')  # chosen first, said later
_NAMES = re.compile(r"\{(\w+)\}")


def test_every_sentence_of_the_commands_is_translated_and_none_is_left_over():
    source = "".join(Path(module.__file__).read_text() for module in (agent.cli, agent.saying))
    said = set(_SAID.findall(source)) | set(_NAMED.findall(source))

    assert said == set(SENTENCES)


def test_translations_have_the_parameters_of_their_sentences():
    for sentence, translation in SENTENCES.items():
        assert set(_NAMES.findall(sentence)) == set(_NAMES.findall(translation))


def test_help_is_japanese_under_a_japanese_locale(tmp_path):
    command = [sys.executable, "-m", "agent", "plug", "--help"]
    environment = {"LANG": "ja_JP.UTF-8", "PATH": "", "PYTHONUTF8": "1"}
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=True)

    assert "電源を入れます。" in ended.stdout
