//go:build linux

package main

import "syscall"

// execute replaces the agent by a command whose environment is the service's own with more variables:
// KEY=VALUE... -- COMMAND... The API of Kubernetes knows no environment for commands.
func execute(arguments []string) {
	variables := environment()
	i := 0
	for i < len(arguments) && arguments[i] != "--" {
		variables = setVariable(variables, arguments[i])
		i++
	}
	if i+1 >= len(arguments) {
		fail(codeFailed, "exec needs -- and a command")
	}
	command := arguments[i+1:]
	path, err := lookUp(command[0], variables)
	if err == nil {
		err = syscall.Exec(path, command, variables)
	}
	fail(codeCannot, "cannot run: "+command[0]+": "+err.Error())
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
