import tempfile
import unittest
from datetime import date
from pathlib import Path

from todo import TodoList
from todo.storage import load, save


class StorageTest(unittest.TestCase):
    def test_a_list_is_read_back_as_it_was_written(self):
        todo = TodoList()
        todo.add("naïve café", date(2026, 1, 2), every="day")
        todo.complete(1)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "todo.json"
            save(todo, path)
            self.assertEqual(load(path), todo)

    def test_no_file_is_an_empty_list(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(load(Path(folder) / "todo.json").tasks, [])
