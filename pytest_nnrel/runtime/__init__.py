"""What runs everything: settings and where they are in force, stores, tasks, files, devices."""
