"""The command ``python -m tokenlab.chapters.bytelevel.experiments <name>``."""

from tokenlab.chapters.bytelevel.experiments import main
from tokenlab.commands import run_command

if __name__ == "__main__":
    run_command(main)
