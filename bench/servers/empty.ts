/** What any script of Node's costs before its first line. */
