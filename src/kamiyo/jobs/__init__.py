"""Work on a timetable."""
