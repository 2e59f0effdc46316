//! What is remembered of local images: their files, so that a later run need not read them, and where they were uploaded.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, Row, params};

use crate::image::{Dimensions, FileStamp, ImageFacts};
use crate::ledger::store::{behind_links, has_wal};
use crate::ledger::{LedgerError, Reader, Store};
use crate::row::ImageHash;

/// Most files that are remembered of: more than a run sets memory aside for.
const MOST_FILES: u32 = 100_000;

/// Under this name the ledger notes the server that its uploads were made to.
const SERVER_NOTE: &str = "upload_server";

/// What the ledger at `path` remembers of image files, by absolute path.
///
/// Nothing at all if it cannot tell, whatever the reason: then files are read, which only takes longer. A ledger that a
/// run did not close is left alone for [`Store::open`], which has to see it as it is.
pub fn remembered_images(path: &Path) -> Vec<(PathBuf, ImageFacts)> {
    if has_wal(&behind_links(path)) && Store::owner(path).is_none() {
        return Vec::new();
    }
    let facts = Reader::open(path).and_then(|reader| reader.image_facts());
    facts.unwrap_or_else(|error| {
        tracing::debug!(%error, "nothing is remembered of image files");
        Vec::new()
    })
}

impl Store {
    /// Remembers what was found out about image files, in place of what was remembered of the same ones.
    ///
    /// Files that no manifest names any more are not forgotten: a line of a few hundred bytes each does no harm.
    pub fn remember_images(
        &mut self,
        facts: impl IntoIterator<Item = (PathBuf, ImageFacts)>,
    ) -> Result<(), LedgerError> {
        let path = self.path.clone();
        let failed = |source| LedgerError::sqlite(&path, "write", source);
        let transaction = self.connection.transaction().map_err(failed)?;
        for (file, facts) in facts {
            // A path that is no text cannot stand in a manifest either, unless its folder brings it in.
            if let Some(file) = file.to_str() {
                remember(&transaction, file, &facts).map_err(failed)?;
            }
        }
        transaction.commit().map_err(failed)
    }

    /// Forgets where images were uploaded unless it was `server` that took them: another API could not fetch them from
    /// there, and a row whose image cannot be fetched may be paid for. To be called before rows are sent.
    pub fn keep_uploads_of(&mut self, server: &str) -> Result<(), LedgerError> {
        if self.meta(SERVER_NOTE)?.as_deref() == Some(server) {
            return Ok(());
        }
        let path = self.path.clone();
        let failed = |source| LedgerError::sqlite(&path, "write", source);
        let transaction = self.connection.transaction().map_err(failed)?;
        transaction.execute("DELETE FROM uploads", []).map_err(failed)?;
        transaction
            .execute("INSERT OR REPLACE INTO meta VALUES (?1, ?2)", [SERVER_NOTE, server])
            .map_err(failed)?;
        transaction.commit().map_err(failed)
    }
}

impl Reader {
    /// What is remembered of image files, by absolute path; at most a hundred thousand of them.
    pub fn image_facts(&self) -> Result<Vec<(PathBuf, ImageFacts)>, LedgerError> {
        let read = || {
            let mut statement = self.connection.prepare(
                "SELECT path, bytes, modified_ns, changed_ns, inode, sha256, kind, width, height FROM images LIMIT ?1",
            )?;
            let facts = statement.query_map([MOST_FILES], facts_of)?;
            facts.collect::<rusqlite::Result<Vec<_>>>()
        };
        read().map_err(|source| self.failed(source))
    }
}

fn remember(connection: &Connection, file: &str, facts: &ImageFacts) -> rusqlite::Result<()> {
    let ImageFacts {
        stamp,
        sha256,
        kind,
        dimensions,
    } = facts;
    connection
        .prepare_cached("INSERT OR REPLACE INTO images VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            file,
            stamp.bytes.cast_signed(),
            stamp.modified_ns,
            stamp.changed_ns,
            stamp.inode.cast_signed(),
            sha256.0,
            kind.as_str(),
            dimensions.map(|dimensions| dimensions.width),
            dimensions.map(|dimensions| dimensions.height),
        ])
        .map(drop)
}

fn facts_of(row: &Row<'_>) -> rusqlite::Result<(PathBuf, ImageFacts)> {
    let kind =
        row.get_ref(6)?.as_str()?.parse().map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(6, rusqlite::types::Type::Text, Box::new(error))
        })?;
    let (width, height): (Option<u32>, Option<u32>) = (row.get(7)?, row.get(8)?);
    let facts = ImageFacts {
        stamp: FileStamp {
            bytes: row.get::<_, i64>(1)?.cast_unsigned(),
            modified_ns: row.get(2)?,
            changed_ns: row.get(3)?,
            inode: row.get::<_, i64>(4)?.cast_unsigned(),
        },
        sha256: ImageHash(row.get(5)?),
        kind,
        dimensions: width.zip(height).map(|(width, height)| Dimensions { width, height }),
    };
    Ok((row.get::<_, String>(0)?.into(), facts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{UnixMillis, Wall};
    use crate::image::ImageKind;
    use crate::ledger::{Realm, StoredUpload, Uploads};

    fn facts(seed: u8, dimensions: Option<Dimensions>) -> ImageFacts {
        ImageFacts {
            stamp: FileStamp {
                bytes: 4_177,
                modified_ns: -1,
                changed_ns: 1_790_000_000_123_456_789,
                inode: u64::MAX,
            },
            sha256: ImageHash([seed; 32]),
            kind: ImageKind::Webp,
            dimensions,
        }
    }

    #[test]
    fn what_is_known_of_an_image_file_is_there_again_in_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ledger");
        assert_eq!(remembered_images(&path), [], "there is no ledger yet");
        let size = Some(Dimensions {
            width: 640,
            height: 480,
        });
        let mut store = Store::open(&path, Realm::Api).unwrap();
        let file = |name: &str| PathBuf::from(name);
        store
            .remember_images([(file("/b 船.webp"), facts(1, None)), (file("/a.webp"), facts(2, None))])
            .unwrap();
        store.remember_images([(file("/a.webp"), facts(3, size))]).unwrap();
        let known = [(file("/a.webp"), facts(3, size)), (file("/b 船.webp"), facts(1, None))];
        assert_eq!(remembered_images(&path), known, "while a run is at work");
        drop(store);
        assert_eq!(remembered_images(&path), known);
    }

    #[test]
    fn a_ledger_that_cannot_be_read_remembers_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ledger");
        std::fs::write(&path, "id,prompt\n").unwrap();
        assert_eq!(remembered_images(&path), []);
        // As a crash leaves it: whoever opens it next must find the log, and look at every page.
        let log = folder.path().join("a.ledger-wal");
        std::fs::write(&log, "log").unwrap();
        assert_eq!(remembered_images(&path), []);
        assert!(log.exists());
    }

    #[tokio::test]
    async fn uploads_are_kept_for_the_server_that_took_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ledger");
        let upload = StoredUpload {
            url: "https://files.example.org/1.png".into(),
            uploaded_at: UnixMillis(1_000),
        };
        let mut known = Vec::new();
        for (server, uploads) in [("https://a", true), ("https://a", false), ("https://b", false)] {
            let mut store = Store::open(&path, Realm::Api).unwrap();
            store.keep_uploads_of(server).unwrap();
            let run_id = store.begin_run(Wall::System, server).unwrap();
            let (writer, thread) = store.into_writer(run_id).unwrap();
            known.push(writer.upload_of([7; 32]).await.unwrap());
            if uploads {
                writer.uploaded([7; 32], upload.clone()).await.unwrap();
            }
            drop(writer);
            thread.join().unwrap();
        }
        assert_eq!(known, [None, Some(upload), None]);
    }
}
