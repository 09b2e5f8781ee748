"""Tasks and todo lists."""

from dataclasses import dataclass, field
from datetime import date

from todo.recurrence import next_due


@dataclass
class Task:
    id: int
    title: str
    due: date | None = None
    every: str | None = None
    done: bool = False

    def is_overdue(self, today: date) -> bool:
        return not self.done and self.due is not None and self.due < today


@dataclass
class TodoList:
    tasks: list[Task] = field(default_factory=list)

    def add(self, title: str, due: date | None = None, every: str | None = None) -> Task:
        """Adds a task. A recurring task needs a due date."""
        if every is not None and due is None:
            raise ValueError("a recurring task needs a due date")
        task = Task(id=self._next_id(), title=title, due=due, every=every)
        self.tasks.append(task)
        return task

    def complete(self, task_id: int) -> Task | None:
        """Marks a task as done. If it is a recurring task, adds and returns the next one."""
        task = self._find(task_id)
        task.done = True
        if task.every is None or task.due is None:
            return None
        return self.add(task.title, next_due(task.due, task.every), task.every)

    def open(self) -> list[Task]:
        """Returns the open tasks by due date. Tasks without a due date come last."""
        waiting = [task for task in self.tasks if not task.done]
        return sorted(waiting, key=lambda task: (task.due is None, task.due or date.min, task.id))

    def overdue(self, today: date) -> list[Task]:
        return [task for task in self.open() if task.is_overdue(today)]

    def _find(self, task_id: int) -> Task:
        for task in self.tasks:
            if task.id == task_id:
                return task
        raise KeyError(f"no task {task_id}")

    def _next_id(self) -> int:
        return max((task.id for task in self.tasks), default=0) + 1
