"""The venue rebuilt from recordings, to test and to show the real system against."""
