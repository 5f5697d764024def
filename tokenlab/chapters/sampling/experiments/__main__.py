"""The command ``python -m tokenlab.chapters.sampling.experiments <name>``."""

from tokenlab.chapters.sampling.experiments import main
from tokenlab.commands import run_command

if __name__ == "__main__":
    run_command(main)
