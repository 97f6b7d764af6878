"""The package's own tasks, one a file: what lies here is found by `reference_models.task.tasks`."""
