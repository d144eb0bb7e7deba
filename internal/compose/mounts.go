package compose

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/compose-spec/compose-go/v2/types"
)

// dockerSocket is the one path of the host that a service can be given, where the run allows it.
const dockerSocket = "/var/run/docker.sock"

// single is where files stand before they are moved to their exact places: mounting an artifact hides a whole folder.
const single = "/.sundog/"

// movedFile is a file of an artifact that stands at a place of its own.
type movedFile struct{ artifact, base string }

// mounts makes files and files_to_be_moved out of volumes, configs and secrets.
func (c *converter) mounts(s *service) *Error {
	mounted, moved := map[string]expression{}, map[string]movedFile{}
	for i := range s.Volumes {
		if err := c.volume(s, i, mounted, moved); err != nil {
			return err
		}
	}
	for i, config := range s.Configs {
		definition := types.FileObjectConfig(c.project.Configs[config.Source])
		if err := c.fileObject(s, "configs", i, types.FileReferenceConfig(config), definition, moved); err != nil {
			return err
		}
	}
	for i, secret := range s.Secrets {
		definition := types.FileObjectConfig(c.project.Secrets[secret.Source])
		if err := c.fileObject(s, "secrets", i, types.FileReferenceConfig(secret), definition, moved); err != nil {
			return err
		}
	}
	var moves dict
	times := map[string]int{}
	for _, target := range slices.Sorted(maps.Keys(moved)) {
		file := moved[target]
		folder := single + file.artifact
		if times[folder]++; times[folder] > 1 {
			// Every move needs a source of its own.
			folder = single + strconv.Itoa(times[folder]) + "/" + file.artifact
		}
		mounted[folder] = quoted(file.artifact)
		moves = append(moves, entry{folder + "/" + file.base, quoted(target)})
	}
	slices.SortFunc(moves, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	var files dict
	for _, target := range slices.Sorted(maps.Keys(mounted)) {
		files = append(files, entry{target, mounted[target]})
	}
	if len(files) > 0 {
		s.config.add("files", files)
	}
	if len(moves) > 0 {
		s.config.add("files_to_be_moved", moves)
	}
	return nil
}

// volume makes one mount.
func (c *converter) volume(s *service, i int, mounted map[string]expression, moved map[string]movedFile) *Error {
	volume := s.Volumes[i]
	at := s.at("volumes", strconv.Itoa(i))
	switch volume.Type {
	case types.VolumeTypeVolume:
		mounted[volume.Target] = persistent(c.volumeKey(s, at, volume))
	case types.VolumeTypeBind:
		return c.bind(s, at, volume, mounted, moved)
	case types.VolumeTypeTmpfs:
		c.warn(at, "the files at %s are on disk, not in memory", volume.Target)
	default:
		c.warn(at, "mounts of the type %s are not carried over", volume.Type)
	}
	return nil
}

// persistent is a directory that outlives its service.
func persistent(key string) expression {
	directory := call{function: "Directory"}
	directory.add("persistent_key", quoted(key))
	return directory
}

// volumeKey names a volume. The same volume is the same directory in every service.
func (c *converter) volumeKey(s *service, at []string, volume types.ServiceVolumeConfig) string {
	if volume.Volume != nil && volume.Volume.Subpath != "" {
		c.warn(at, "the whole volume is mounted, not its folder %s", volume.Volume.Subpath)
	}
	if volume.Source == "" {
		return c.volumes.name("anonymous "+s.key+" "+volume.Target, c.project.Name+"-"+s.key+"-"+volume.Target)
	}
	defined := c.project.Volumes[volume.Source]
	switch {
	case bool(defined.External):
		c.warn([]string{"volumes", volume.Source, "external"}, "the enclave has a volume of its own, which is empty at first")
	case len(defined.DriverOpts) > 0, defined.Driver != "" && defined.Driver != "local":
		c.warn([]string{"volumes", volume.Source}, "driver and driver_opts are not carried over: it is an ordinary volume of the enclave")
	}
	return c.volumes.name("volume "+defined.Name, defined.Name)
}

// bind mounts a copy of a file or a folder of the package.
func (c *converter) bind(s *service, at []string, volume types.ServiceVolumeConfig, mounted map[string]expression, moved map[string]movedFile) *Error {
	staged := path.Clean(volume.Source)
	if isSocket(volume) {
		return nil // It goes through the gate for bind_mounts.
	}
	file, ok := c.project.stage.inside(staged)
	if !ok {
		if c.project.stage.climbed(staged) {
			_, err := c.inside(at, staged)
			return err
		}
		c.warn(at, "%s of the host is not mounted: copy what is needed into the package and write a relative path", c.shown(staged))
		return nil
	}
	kind, err := c.source.Files.Stat(file)
	switch {
	case err != nil:
		return c.fail(at, "%v", err)
	case kind == Folder:
		mounted[volume.Target] = quoted(c.upload(s, file))
	case kind == File:
		moved[volume.Target] = movedFile{c.upload(s, file), path.Base(file)}
	default:
		// Compose makes such a folder, for the service to write into.
		mounted[volume.Target] = persistent(c.volumes.name("bind "+file, c.project.Name+"-"+file))
	}
	return nil
}

// upload makes a file or folder of the package known as a files artifact.
func (c *converter) upload(s *service, file string) string {
	name := path.Base(c.source.Name + "/" + file)
	if file != c.folder && file != "" {
		name = strings.TrimLeft(relative(c.folder, file), "./")
	}
	made := call{function: "plan.upload_files"}
	made.add("src", quoted(c.locator(file)))
	return c.artifact(s, "file "+file, name, made)
}

// artifact makes a files artifact once, for all who mount it.
func (c *converter) artifact(s *service, thing, wanted string, made call) string {
	known := c.byThing[thing]
	if known == nil {
		known = &upload{name: c.artifacts.name(thing, wanted), call: made}
		known.call.add("name", quoted(known.name))
		c.byThing[thing] = known
		c.uploads = append(c.uploads, known)
	}
	known.always = known.always || len(s.profiles) == 0
	known.profiles = slices.Compact(slices.Sorted(slices.Values(append(known.profiles, s.profiles...))))
	if !slices.Contains(s.uploads, known) {
		s.uploads = append(s.uploads, known)
	}
	return known.name
}

// fileObject puts a config or a secret at its place.
func (c *converter) fileObject(s *service, section string, i int, reference types.FileReferenceConfig, definition types.FileObjectConfig, moved map[string]movedFile) *Error {
	at := s.at(section, strconv.Itoa(i))
	target := reference.Target
	folder := "/"
	if section == "secrets" {
		folder = "/run/secrets"
	}
	if target == "" {
		target = reference.Source
	}
	target = path.Join(folder, target)
	if path.IsAbs(reference.Target) {
		target = path.Clean(reference.Target)
	}
	if reference.UID != "" || reference.GID != "" {
		c.warn(at, "uid and gid are not carried over: the file belongs to the service's user")
	}
	if reference.Mode != nil {
		c.warn(at, "mode is not carried over: everybody in the container may read the file")
	}
	where := []string{section, reference.Source}
	switch {
	case bool(definition.External):
		c.warn(append(where, "external"), "it lies outside of the Compose file, so nothing stands at %s: give it file, environment or content", target)
		return nil
	case definition.File != "":
		file, err := c.inside(append(where, "file"), definition.File)
		if err != nil {
			return err
		}
		kind, statErr := c.source.Files.Stat(file)
		if statErr != nil || kind == Missing {
			return c.fail(append(where, "file"), "there is no file %s in the package: add it, it may be kept out by .gitignore", c.locator(file))
		}
		moved[target] = movedFile{c.upload(s, file), path.Base(file)}
		return nil
	}
	content := definition.Content
	if definition.Environment != "" {
		found, known := c.project.variables[definition.Environment]
		if !known {
			return c.fail(append(where, "environment"), "the variable %s has no value: set it in .env or in the argument variables", definition.Environment)
		}
		content = found
	}
	file := call{function: "struct"}
	file.add("template", quoted("{{ .content }}"))
	file.add("data", dict{{"content", quoted(content)}})
	made := call{function: "plan.render_templates"}
	made.add("config", dict{{"content", file}})
	moved[target] = movedFile{c.artifact(s, section+" "+reference.Source, strings.TrimSuffix(section, "s")+"-"+reference.Source, made), "content"}
	return nil
}

func isSocket(volume types.ServiceVolumeConfig) bool {
	return volume.Type == types.VolumeTypeBind && (volume.Source == dockerSocket || volume.Source == "/run/docker.sock")
}

func (c *converter) mountsSocket(s *service) bool { return slices.ContainsFunc(s.Volumes, isSocket) }

func (c *converter) socketTarget(s *service) string {
	return s.Volumes[slices.IndexFunc(s.Volumes, isSocket)].Target
}
