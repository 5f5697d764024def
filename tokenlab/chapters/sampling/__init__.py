"""Pictures and experiments of the chapter on sampling."""
