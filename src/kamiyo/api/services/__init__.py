"""The read paths behind the routes: from the database to the bytes of an answer."""
