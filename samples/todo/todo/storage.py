"""Reading and writing a todo list as JSON."""

import json
from datetime import date
from pathlib import Path

from todo.tasks import Task, TodoList


def load(path: Path) -> TodoList:
    """Returns the list in the file, or an empty list if there is no file."""
    if not path.exists():
        return TodoList()
    rows = json.loads(path.read_text(encoding="utf-8"))
    return TodoList([_task(row) for row in rows])


def save(todo: TodoList, path: Path) -> None:
    rows = [_row(task) for task in todo.tasks]
    path.write_text(json.dumps(rows, indent=2), encoding="utf-8")


def _task(row: dict) -> Task:
    due = date.fromisoformat(row["due"]) if row["due"] else None
    return Task(id=row["id"], title=row["title"], due=due, every=row["every"], done=row["done"])


def _row(task: Task) -> dict:
    due = task.due.isoformat() if task.due else None
    return {"id": task.id, "title": task.title, "due": due, "every": task.every, "done": task.done}
