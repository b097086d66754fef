namespace oneagent {}
