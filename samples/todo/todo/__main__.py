"""The command line: python3 -m todo add | list | done"""

import argparse
from datetime import date
from pathlib import Path

from todo.recurrence import INTERVALS
from todo.storage import load, save
from todo.tasks import Task

FILE = Path("todo.json")


def describe(task: Task) -> str:
    notes = []
    if task.due:
        notes.append(f"due {task.due}")
    if task.every:
        notes.append(f"every {task.every}")
    return f"{task.id}  {task.title}" + (f"  ({', '.join(notes)})" if notes else "")


def main() -> None:
    parser = argparse.ArgumentParser(prog="todo")
    commands = parser.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="add a task")
    add.add_argument("title")
    add.add_argument("--due", type=date.fromisoformat, help="a date such as 2026-01-31")
    add.add_argument("--every", choices=INTERVALS)
    commands.add_parser("list", help="show the open tasks")
    done = commands.add_parser("done", help="mark a task done")
    done.add_argument("id", type=int)
    args = parser.parse_args()

    todo = load(FILE)
    if args.command == "add":
        print(describe(todo.add(args.title, args.due, args.every)))
    elif args.command == "done":
        following = todo.complete(args.id)
        if following:
            print(describe(following))
    else:
        for task in todo.open():
            print(describe(task))
    save(todo, FILE)


if __name__ == "__main__":
    main()
