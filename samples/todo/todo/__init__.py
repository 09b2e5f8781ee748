"""A todo list with recurring tasks."""

from todo.tasks import Task, TodoList

__all__ = ["Task", "TodoList"]
