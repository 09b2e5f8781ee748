import unittest
from datetime import date

from todo import TodoList


class TodoListTest(unittest.TestCase):
    def setUp(self):
        self.todo = TodoList()

    def test_ids_count_up(self):
        ids = [self.todo.add(title).id for title in ("a", "b", "c")]
        self.assertEqual(ids, [1, 2, 3])

    def test_open_tasks_are_sorted_by_due_date(self):
        self.todo.add("some day")
        self.todo.add("later", date(2026, 5, 2))
        self.todo.add("sooner", date(2026, 5, 1))
        self.assertEqual([task.title for task in self.todo.open()], ["sooner", "later", "some day"])

    def test_done_tasks_are_not_overdue(self):
        task = self.todo.add("late", date(2026, 5, 1))
        self.assertEqual(self.todo.overdue(date(2026, 5, 2)), [task])
        self.todo.complete(task.id)
        self.assertEqual(self.todo.overdue(date(2026, 5, 2)), [])

    def test_a_weekly_task_comes_back_a_week_later(self):
        task = self.todo.add("water the plants", date(2026, 12, 28), every="week")
        following = self.todo.complete(task.id)
        self.assertEqual(following.due, date(2027, 1, 4))

    def test_a_monthly_task_comes_back_in_the_new_year(self):
        task = self.todo.add("back up", date(2026, 12, 15), every="month")
        self.assertEqual(self.todo.complete(task.id).due, date(2027, 1, 15))

    def test_rent_due_at_the_end_of_january_comes_back_in_february(self):
        task = self.todo.add("pay the rent", date(2026, 1, 31), every="month")
        self.assertEqual(self.todo.complete(task.id).due, date(2026, 2, 28))


if __name__ == "__main__":
    unittest.main()
