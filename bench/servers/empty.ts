/** Does nothing. Its run time is that of starting and exiting Node. */
