package locator

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
)

// CacheFile names a file of the cache that is for something derived from this root package alone; empty where there is no
// cache that is this user's own. Kind is the folder of the cache that holds such files.
func (p *Package) CacheFile(kind string) string {
	folder := p.resolver.options.CacheDir
	if folder == "" {
		own, err := os.UserCacheDir()
		if err != nil {
			return ""
		}
		folder = filepath.Join(own, "sundog")
	}
	sum := sha256.Sum256([]byte(p.address.String() + "\n" + p.Directory))
	return filepath.Join(folder, kind, hex.EncodeToString(sum[:16]))
}
