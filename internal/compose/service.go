package compose

import (
	"bytes"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/compose-spec/compose-go/v2/types"
)

// service makes the ServiceConfig of one service.
func (c *converter) service(s *service) *Error {
	c.serviceWarnings(s)
	s.config = call{function: "ServiceConfig"}
	image, err := c.image(s)
	if err != nil {
		return err
	}
	s.config.add("image", image)
	c.ports(s)
	if err := c.mounts(s); err != nil {
		return err
	}
	c.commands(s)
	if err := c.environment(s); err != nil {
		return err
	}
	c.resources(s)
	c.health(s)
	if err := c.labels(s); err != nil {
		return err
	}
	c.process(s)
	return nil
}

// image is the service's image, or how it is built.
func (c *converter) image(s *service) (expression, *Error) {
	build := s.Build
	if build == nil {
		if s.Image == "" {
			return nil, c.fail(s.at(), "it has no image: give it image or build")
		}
		return quoted(s.Image), nil
	}
	name := s.Image
	if name == "" {
		name = normalise(s.key) + "-image"
	}
	if build.DockerfileInline != "" {
		return nil, c.fail(s.at("build", "dockerfile_inline"), "write it into a file of the package and name that in dockerfile")
	}
	for _, key := range slices.Sorted(maps.Keys(build.AdditionalContexts)) {
		c.warn(s.at("build", "additional_contexts", key), "further build contexts are not carried over")
	}
	for key, present := range map[string]bool{"secrets": len(build.Secrets) > 0, "ssh": len(build.SSH) > 0} {
		if present {
			c.warn(s.at("build", key), "is not carried over: builds get no secrets")
		}
	}
	context, err := c.inside(s.at("build", "context"), build.Context)
	if err != nil {
		return nil, err
	}
	kind, statErr := c.source.Files.Stat(context)
	if statErr != nil || kind != Folder {
		return nil, c.fail(s.at("build", "context"), "there is no folder %s in the package", c.locator(context))
	}
	made := call{function: "ImageBuildSpec"}
	made.add("image_name", quoted(name))
	if path.IsAbs(build.Dockerfile) {
		file, err := c.inside(s.at("build", "dockerfile"), build.Dockerfile)
		if err != nil {
			return nil, err
		}
		build.Dockerfile = relative(context, file)
	}
	file := path.Join(context, build.Dockerfile)
	if folder := path.Dir(file); folder != path.Clean(context) && (context != "" || folder != ".") {
		return c.distantBuild(s, made, context, build)
	}
	made.add("build_context_dir", quoted(c.locator(context)))
	if build.Dockerfile != "" && path.Clean(build.Dockerfile) != "Dockerfile" {
		made.add("build_file", quoted(path.Clean(build.Dockerfile)))
	}
	return c.buildDetails(s, made, build), nil
}

// distantBuild is a build whose file does not lie at the root of its context.
func (c *converter) distantBuild(s *service, made call, context string, build *types.BuildConfig) (expression, *Error) {
	file := path.Join(context, build.Dockerfile)
	if _, err := resolve("", file); err != nil {
		return nil, c.fail(s.at("build", "dockerfile"), "%v", err)
	}
	made.add("build_context_dir", quoted(c.locator(context)))
	made.add("build_file", quoted(path.Clean(build.Dockerfile)))
	made.add("keep_context", boolean(true))
	return c.buildDetails(s, made, build), nil
}

func (c *converter) buildDetails(s *service, made call, build *types.BuildConfig) expression {
	if build.Target != "" {
		made.add("target_stage", quoted(build.Target))
	}
	var arguments dict
	for _, key := range slices.Sorted(maps.Keys(build.Args)) {
		value := build.Args[key]
		if value == nil {
			found, known := c.project.variables[key]
			if !known {
				c.warn(s.at("build", "args", key), "it has no value, and the machine's environment is not asked: set it in .env or in the argument variables")
				continue
			}
			value = &found
		}
		arguments = append(arguments, entry{key, quoted(*value)})
	}
	if len(arguments) > 0 {
		made.add("build_args", arguments)
	}
	return made
}

// commands are entrypoint and command.
func (c *converter) commands(s *service) {
	for _, one := range []struct {
		key, parameter string
		words          types.ShellCommand
	}{{"entrypoint", "entrypoint", s.Entrypoint}, {"command", "cmd", s.Command}} {
		switch {
		case len(one.words) > 0:
			s.config.add(one.parameter, texts(one.words))
		case one.words != nil && (one.key == "entrypoint" || len(s.Entrypoint) == 0):
			c.warn(s.at(one.key), "that of the image cannot be taken away, only replaced")
		}
	}
}

// environment is what env_file and environment say, the latter last.
func (c *converter) environment(s *service) *Error {
	own := s.Environment.Resolve(c.project.variables.Resolve)
	values := own.ToMapping()
	lookup := func(name string) (string, bool) {
		if value, ok := c.project.variables[name]; ok {
			return value, true
		}
		if value := own[name]; value != nil {
			return *value, true
		}
		return "", false
	}
	for i, file := range s.EnvFiles {
		at := s.at("env_file", strconv.Itoa(i))
		content, found, err := c.read(at, file.Path)
		if err != nil {
			return err
		}
		if !found {
			if file.Required {
				return c.fail(at, "there is no file %s in the package: add it (it may be kept out by .gitignore), or say required: false", c.shown(file.Path))
			}
			continue
		}
		if err := dotenv.ParseWithFormat(bytes.NewReader(content), c.shown(file.Path), values, lookup, file.Format); err != nil {
			return c.fail(at, "%v", err)
		}
	}
	all := values.ToMappingWithEquals().OverrideBy(own)
	var variables dict
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] == nil {
			c.warn(s.at("environment", name), "it has no value, and the machine's environment is not asked: set it in .env or in the argument variables")
			continue
		}
		variables = append(variables, entry{name, quoted(*all[name])})
	}
	if len(variables) > 0 {
		s.config.add("env_vars", variables)
	}
	return nil
}

// What labels may look like on both Docker and Kubernetes.
var (
	labelKey   = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$`)
	labelValue = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$`)
)

// labels are what label_file and labels say.
func (c *converter) labels(s *service) *Error {
	values := types.Mapping{}
	for i, file := range s.LabelFiles {
		at := s.at("label_file", strconv.Itoa(i))
		content, found, err := c.read(at, file)
		switch {
		case err != nil:
			return err
		case !found:
			return c.fail(at, "there is no file %s in the package", c.shown(file))
		}
		if err := dotenv.ParseWithFormat(bytes.NewReader(content), c.shown(file), values, values.Resolve, ""); err != nil {
			return c.fail(at, "%v", err)
		}
	}
	maps.Copy(values, s.Labels)
	var labels dict
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !labelKey.MatchString(key) || !labelValue.MatchString(values[key]) {
			c.warn(s.at("labels", key), "it is no label that every backend has (at most 63 letters, digits, '.', '_' and '-', lower case in the key), so it is left out")
			continue
		}
		labels = append(labels, entry{key, quoted(values[key])})
	}
	if len(labels) > 0 {
		s.config.add("labels", labels)
	}
	return nil
}

// numericUser is uid or uid:gid.
var numericUser = regexp.MustCompile(`^(\d{1,9})(?::(\d{1,9}))?$`)

// process is how the service's process runs.
func (c *converter) process(s *service) {
	who := s.User
	if who == "root" {
		who = "0"
	}
	switch ids := numericUser.FindStringSubmatch(who); {
	case ids != nil:
		user := call{function: "User"}
		user.add("uid", number(decimal(ids[1])))
		if ids[2] != "" {
			user.add("gid", number(decimal(ids[2])))
		}
		s.config.add("user", user)
	case who != "":
		c.warn(s.at("user"), "only numbers can be carried over, as in \"1000:1000\"; the image's own user is used")
	}
	if s.WorkingDir != "" {
		s.config.add("working_dir", quoted(s.WorkingDir))
	}
	if s.Init != nil && !*s.Init {
		s.config.add("tini_enabled", boolean(false))
	}
	if s.Tty {
		s.config.add("tty_enabled", boolean(true))
	}
	if len(s.Devices) > 0 {
		var devices []string
		for _, device := range s.Devices {
			text := device.Source
			if device.Target != "" {
				text += ":" + device.Target
				if device.Permissions != "" {
					text += ":" + device.Permissions
				}
			}
			devices = append(devices, text)
		}
		s.config.add("devices", texts(devices))
	}
	if s.publishesUDP() {
		s.config.add("publish_udp", boolean(true))
	}
	if len(s.CapAdd) > 0 {
		s.config.add("capabilities", texts(s.CapAdd))
	}
	c.gpu(s)
	if s.Privileged {
		s.config.add("privileged", boolean(true))
	}
	if s.Pid == "host" {
		s.config.add("host_pid_namespace", boolean(true))
	}
	if c.mountsSocket(s) {
		s.config.add("bind_mounts", dict{{dockerSocket, quoted(c.socketTarget(s))}})
	}
	if len(s.aliases) > 0 {
		s.config.add("aliases", c.aliasList(s))
	}
}

// aliasPattern is what can be a host name.
var aliasPattern = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?$`)

func (c *converter) aliasList(s *service) list {
	var names []string
	for _, name := range s.aliases {
		if !aliasPattern.MatchString(name) {
			c.warn(s.at(), "%q is no host name, so the service cannot be reached under it", name)
			continue
		}
		names = append(names, name)
	}
	return texts(names)
}

func decimal(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64) // the pattern holds digits only
	return n
}

// read gives a file that a key of a service names by its place on the stage.
func (c *converter) read(at []string, staged string) (content []byte, found bool, failure *Error) {
	file, failure := c.inside(at, staged)
	if failure != nil {
		return nil, false, failure
	}
	kind, err := c.source.Files.Stat(file)
	switch {
	case err != nil:
		return nil, false, c.fail(at, "%v", err)
	case kind == Missing:
		return nil, false, nil
	case kind == Folder:
		return nil, false, c.fail(at, "%s is a folder", c.locator(file))
	}
	if content, err = c.source.Files.Read(file); err != nil {
		return nil, false, c.fail(at, "%v", err)
	}
	return content, true, nil
}

// inside gives the place in the repository of a path that the library made out of one in a Compose file.
func (c *converter) inside(at []string, staged string) (string, *Error) {
	if file, ok := c.project.stage.inside(staged); ok {
		return file, nil
	}
	if c.project.stage.climbed(staged) {
		return "", c.fail(at, "%s leaves the package's repository: copy what it names into the package", c.shown(staged))
	}
	if strings.Contains(staged, "://") || !path.IsAbs(staged) {
		return "", c.fail(at, "%q lies elsewhere: copy it into the package", staged)
	}
	return "", c.fail(at, "%q is a path of one machine: copy what it names into the package and write a relative path", c.shown(staged))
}

// shown is a path as a Compose file would write it.
func (c *converter) shown(staged string) string {
	if file, ok := c.project.stage.inside(staged); ok {
		return c.locator(file)
	}
	if c.project.stage.climbed(staged) {
		return relative(c.project.stage.path(c.folder), staged)
	}
	if home, ok := strings.CutPrefix(staged, "/~"); ok {
		return "~" + home
	}
	return staged
}

// locator is how a package's file names a place of its repository: relative to the Compose file.
func (c *converter) locator(file string) string {
	text := relative(c.folder, file)
	if !strings.HasPrefix(text, ".") {
		return "./" + text
	}
	if text == "." {
		return "./"
	}
	return text
}

// relative gives the way from a folder to a path; both are clean, and relative to the same place or absolute.
func relative(folder, target string) string {
	split := func(text string) []string {
		return strings.FieldsFunc(path.Clean(text), func(letter rune) bool { return letter == '/' })
	}
	from, to := split(folder), split(target)
	if len(from) == 1 && from[0] == "." {
		from = nil
	}
	if len(to) == 1 && to[0] == "." {
		to = nil
	}
	for len(from) > 0 && len(to) > 0 && from[0] == to[0] {
		from, to = from[1:], to[1:]
	}
	steps := append(slices.Repeat([]string{".."}, len(from)), to...)
	if len(steps) == 0 {
		return "."
	}
	return strings.Join(steps, "/")
}
