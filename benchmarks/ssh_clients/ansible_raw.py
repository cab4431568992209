"""ansible with its raw module: one play, a task a line, results written to files by its tree callback.

A program of its own, started anew for each round, as its users do. raw is an exec request a line; its connection plugin
is paramiko's, which needs no sshpass.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from rounds import AT_ONCE, read_task, serve_rounds

task = read_task()
PLAYBOOK = Path(sys.executable).with_name("ansible-playbook")


def play(hosts: list[str]) -> None:
    with tempfile.TemporaryDirectory(dir=task.keep or None) as folder:
        here = Path(folder)
        facts = {
            "ansible_port": task.port,
            "ansible_user": task.username,
            "ansible_password": task.password,
            "ansible_connection": "paramiko_ssh",
            "ansible_host_key_checking": False,
        }
        lines = [{"raw": line, "register": f"line{number}"} for number, line in enumerate(task.lines)]
        plays = [{"hosts": "all", "gather_facts": False, "tasks": lines}]
        (here / "hosts.json").write_text(json.dumps({"all": {"hosts": {host: {} for host in hosts}, "vars": facts}}))
        (here / "play.json").write_text(json.dumps(plays))
        settings = {"ANSIBLE_FORKS": str(AT_ONCE), "ANSIBLE_HOST_KEY_CHECKING": "False", "ANSIBLE_HOME": folder}
        settings |= {"ANSIBLE_DEPRECATION_WARNINGS": "False", "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            [PLAYBOOK, "-v", "-i", here / "hosts.json", here / "play.json"],
            env=os.environ | settings,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"ansible failed: {(done.stdout + done.stderr)[-800:]}")
        (here / "output").write_text(done.stdout)


serve_rounds(task, play)
