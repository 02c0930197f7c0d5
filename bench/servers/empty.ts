/** Does nothing: the time that it runs is the start and exit of Node. */
