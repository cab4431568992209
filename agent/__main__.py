"""`python -m agent`: the same commands as `hikitsugi fleet`; `fleet up --detach` starts itself this way."""

from agent.cli import app

if __name__ == "__main__":
    app()
