//go:build linux

package main

import "syscall"

// execute replaces the agent by a command in another folder, as another user, and whose environment is the service's own
// with more variables: FOLDER USER KEY=VALUE... -- COMMAND... Folder and user may be empty. The API of Kubernetes knows
// none of this for commands.
func execute(arguments []string) {
	variables := environment()
	i := 2
	for i < len(arguments) && arguments[i] != "--" {
		variables = setVariable(variables, arguments[i])
		i++
	}
	if i+1 >= len(arguments) {
		fail(codeFailed, "exec needs -- and a command")
	}
	command := arguments[i+1:]
	if folder := arguments[0]; folder != "" {
		if err := syscall.Chdir(folder); err != nil {
			fail(codeCannot, "cannot run: "+command[0]+": folder "+folder+": "+err.Error())
		}
	}
	if user := arguments[1]; user != "" {
		if err := become(user); err != nil {
			fail(codeCannot, "cannot run: "+command[0]+": user "+user+": "+err.Error())
		}
	}
	path, err := lookUp(command[0], variables)
	if err == nil {
		err = syscall.Exec(path, command, variables) //nolint:gosec // Running it is what the agent was asked for.
	}
	fail(codeCannot, "cannot run: "+command[0]+": "+err.Error())
}

// become changes the user: a name or number, with an optional group after a colon.
func become(user string) error {
	name, group := user, ""
	for i := range len(user) {
		if user[i] == ':' {
			name, group = user[:i], user[i+1:]
			break
		}
	}
	uid, gid, err := lookUpUser(name)
	if err == nil && group != "" {
		gid, err = lookUpID("/etc/group", group, 2)
	}
	if err == nil {
		err = syscall.Setgroups([]int{gid})
	}
	if err == nil {
		err = syscall.Setgid(gid)
	}
	if err == nil {
		err = syscall.Setuid(uid)
	}
	return err
}

// lookUpUser gives the numbers of a user and its group.
func lookUpUser(name string) (uid, gid int, err error) {
	if uid, err = lookUpID("/etc/passwd", name, 2); err != nil {
		return 0, 0, err
	}
	content, _ := readFile("/etc/passwd") // Without one there are no groups.
	for _, fields := range records(content) {
		if len(fields) > 3 && (fields[0] == name || fields[2] == name) {
			return uid, number(fields[3]), nil
		}
	}
	return uid, 0, nil
}

func lookUpID(file, name string, field int) (int, error) {
	if name != "" && name[0] >= '0' && name[0] <= '9' {
		return number(name), nil
	}
	content, _ := readFile(file) // Without one the name is not known.
	for _, fields := range records(content) {
		if len(fields) > field && fields[0] == name {
			return number(fields[field]), nil
		}
	}
	return 0, archiveError("unable to find it in " + file)
}

// records splits the lines of a file of users or groups.
func records(content []byte) [][]string {
	var lines [][]string
	var fields []string
	begin := 0
	for i, b := range content {
		if b != ':' && b != '\n' {
			continue
		}
		fields = append(fields, string(content[begin:i]))
		begin = i + 1
		if b == '\n' {
			lines, fields = append(lines, fields), nil
		}
	}
	return lines
}

func setVariable(variables []string, assignment string) []string {
	end := 0
	for end < len(assignment) && assignment[end] != '=' {
		end++
	}
	for i, variable := range variables {
		if len(variable) > end && variable[:end] == assignment[:end] && variable[end] == '=' {
			variables[i] = assignment
			return variables
		}
	}
	return append(variables, assignment)
}

// lookUp finds a program as a shell does.
func lookUp(name string, variables []string) (string, error) {
	for i := range len(name) {
		if name[i] == '/' {
			return name, nil
		}
	}
	path := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, variable := range variables {
		if len(variable) > 5 && variable[:5] == "PATH=" {
			path = variable[5:]
		}
	}
	var result error = syscall.ENOENT
	begin := 0
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != ':' {
			continue
		}
		candidate := path[begin:i] + "/" + name
		begin = i + 1
		var info syscall.Stat_t
		if err := syscall.Stat(candidate, &info); err != nil || info.Mode&syscall.S_IFMT != syscall.S_IFREG {
			continue
		}
		if info.Mode&0o111 != 0 {
			return candidate, nil
		}
		result = syscall.EACCES
	}
	return "", result
}
