"""A to-do list driven by arguments; the list lives only as long as a run."""

import argparse
import sys

DEMO = [
    ["add", "water the plants", "--weight", "2"],
    ["add", "return the ladder"],
    ["add", "file the taxes", "--weight", "5"],
    ["done", "2"],
    ["list", "--all"],
]


class TodoList:
    """Tasks with a weight, numbered from one in order of arrival."""

    def __init__(self):
        self.tasks = []

    def add(self, title, weight):
        self.tasks.append({"title": title, "weight": weight, "done": False})
        return len(self.tasks)

    def finish(self, number):
        if not 1 <= number <= len(self.tasks):
            raise IndexError(f"there is no task {number}")
        self.tasks[number - 1]["done"] = True

    def lines(self, include_done=False):
        numbered = enumerate(self.tasks, start=1)
        for number, task in sorted(numbered, key=lambda pair: -pair[1]["weight"]):
            if task["done"] and not include_done:
                continue
            mark = "x" if task["done"] else " "
            yield f"[{mark}] {number}. {task['title']}"


def build_parser():
    """Describe the commands and their options."""
    parser = argparse.ArgumentParser(description="Keep a short list of tasks.")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="append a task")
    add.add_argument("title")
    add.add_argument("--weight", type=int, default=1)
    done = commands.add_parser("done", help="tick off a task")
    done.add_argument("number", type=int)
    show = commands.add_parser("list", help="print the tasks")
    show.add_argument("--all", action="store_true")
    return parser


def run(todo, arguments):
    """Carry out one command."""
    options = build_parser().parse_args(arguments)
    if options.command == "add":
        print("added as number", todo.add(options.title, options.weight))
    elif options.command == "done":
        todo.finish(options.number)
    else:
        print("\n".join(todo.lines(options.all)) or "nothing to do")


def main(arguments):
    todo = TodoList()
    try:
        for words in [arguments] if arguments else DEMO:
            run(todo, words)
    except IndexError as error:
        print("error:", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
