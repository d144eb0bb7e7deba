package docker

import (
	"archive/tar"
	"bufio"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/moby/moby/client"

	"github.com/sundog-dev/terraform-provider-sundog/internal/enclave"
	"github.com/sundog-dev/terraform-provider-sundog/internal/plan"
)

// own is whose files are, and which permissions they have where the package says. Its zero value is root's, with the
// permissions that the artifact has.
type own struct {
	uid, gid int
	mode     fs.FileMode
}

func (o own) isPlain() bool { return o == own{} }

// suffix tells images of one artifact apart.
func (o own) suffix() string {
	if o.isPlain() {
		return ""
	}
	return fmt.Sprintf("-%d.%d.%o", o.uid, o.gid, o.mode)
}

// apply changes an entry of an archive.
func (o own) apply(header *tar.Header) {
	header.Uid, header.Gid, header.Uname, header.Gname = o.uid, o.gid, "", ""
	if o.mode == 0 {
		return
	}
	// Whoever may read may enter folders, and run what can be run.
	passable := int64(o.mode | (o.mode&0o444)>>2)
	switch {
	case header.Typeflag == tar.TypeDir:
		header.Mode = passable
	case header.Typeflag != tar.TypeReg:
	case header.Mode&0o111 != 0:
		header.Mode = passable
	default:
		header.Mode = int64(o.mode)
	}
}

// folder is the entry of the folder that files are put into.
func (o own) folder(name string) *tar.Header {
	header := &tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755}
	o.apply(header)
	return header
}

// pack writes a folder with what a tar stream holds to another archive.
func (o own) pack(archive *tar.Writer, folder string, contents ...io.Reader) error {
	if err := archive.WriteHeader(o.folder(folder)); err != nil {
		return err
	}
	for _, content := range contents {
		if err := eachEntry(content, func(header *tar.Header, body io.Reader) error {
			header.Name = inFolder(folder, header.Name)
			if header.Name == folder {
				return nil
			}
			if header.Typeflag == tar.TypeLink {
				header.Linkname = inFolder(folder, header.Linkname)
			}
			o.apply(header)
			return copyEntry(archive, header, body)
		}); err != nil {
			return err
		}
	}
	return nil
}

// ownOf says whose the files at a mount are: the package's choice, else the user's that the process runs as. Upstream
// gives all to root, which images that run as somebody else cannot write to and often not even read.
func (b *Backend) ownOf(ctx context.Context, conn *connection, id string, request enclave.ServiceRequest, mount plan.Mount) (own, error) {
	chosen := own{mode: fs.FileMode(mount.Mode)}
	user := mount.Owner
	if user == nil {
		user = request.Spec.User
	}
	if user != nil {
		chosen.uid = int(user.UID)
		if user.GID != nil {
			chosen.gid = int(*user.GID)
		}
		return chosen, nil
	}
	imageUser, err := b.imageUser(ctx, conn, id, request.Image.ID)
	chosen.uid, chosen.gid = imageUser.uid, imageUser.gid
	return chosen, err
}

// imageUser finds the user that an image's process runs as. It is asked once for an image.
func (b *Backend) imageUser(ctx context.Context, conn *connection, id, image string) (own, error) {
	if known, found := b.imageUsers.Load(image); found && image != "" {
		user, _ := known.(own)
		return user, nil
	}
	inspected, err := conn.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return own{}, fmt.Errorf("look for the user that the process runs as: %w", conn.translate(err))
	}
	text := ""
	if inspected.Container.Config != nil {
		text = inspected.Container.Config.User
	}
	user, err := conn.lookUpUser(ctx, id, text)
	if err != nil {
		return own{}, fmt.Errorf("look for the user %q that the process runs as: %w", text, err)
	}
	b.imageUsers.Store(image, user)
	return user, nil
}

// lookUpUser understands an image's USER: user[:group], numbers or names. A user that the image does not know is left to
// the engine, which refuses to start such a container and says why.
func (c *connection) lookUpUser(ctx context.Context, id, text string) (own, error) {
	name, group, _ := strings.Cut(text, ":")
	if name == "" || name == "0" || name == "root" {
		return own{}, nil
	}
	found := own{}
	uid, err := strconv.Atoi(name)
	found.uid = uid
	if err != nil || group == "" {
		users, err := c.readTable(ctx, id, "/etc/passwd")
		if err != nil {
			return own{}, err
		}
		for _, fields := range users {
			if len(fields) > 3 && (fields[0] == name || fields[2] == name) {
				found.uid, _ = strconv.Atoi(fields[2]) // What is no number belongs to nobody.
				found.gid, _ = strconv.Atoi(fields[3])
				break
			}
		}
	}
	if group == "" {
		return found, nil
	}
	if found.gid, err = strconv.Atoi(group); err == nil {
		return found, nil
	}
	groups, err := c.readTable(ctx, id, "/etc/group")
	if err != nil {
		return own{}, err
	}
	for _, fields := range groups {
		if len(fields) > 2 && fields[0] == group {
			found.gid, _ = strconv.Atoi(fields[2])
		}
	}
	return found, nil
}

// tableBytes bounds what is read of an image's list of users.
const tableBytes = 1 << 20

// readTable reads a file of lines with fields; one that is not there has none.
func (c *connection) readTable(ctx context.Context, id, file string) ([][]string, error) {
	result, err := c.CopyFromContainer(ctx, id, client.CopyFromContainerOptions{SourcePath: file})
	if err != nil {
		return nil, c.translate(ignoreMissing(err))
	}
	defer result.Content.Close() //nolint:errcheck // It was read as far as it is needed.
	archive := tar.NewReader(result.Content)
	header, err := archive.Next()
	if err != nil || path.Base(header.Name) != path.Base(file) || header.Typeflag != tar.TypeReg {
		return nil, c.translate(err)
	}
	var lines [][]string
	scanner := bufio.NewScanner(io.LimitReader(archive, tableBytes))
	for scanner.Scan() {
		lines = append(lines, strings.Split(scanner.Text(), ":"))
	}
	return lines, c.translate(scanner.Err())
}
