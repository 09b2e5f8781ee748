"""A todo list with tasks that repeat."""

from todo.tasks import Task, TodoList

__all__ = ["Task", "TodoList"]
