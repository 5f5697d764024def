"""The command ``python -m tokenlab.chapters.transport.experiments <name>``."""

from tokenlab.chapters.transport.experiments import main
from tokenlab.commands import run_command

if __name__ == "__main__":
    run_command(main)
