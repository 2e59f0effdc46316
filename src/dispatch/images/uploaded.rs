//! The real host of images: the API's file host, and the ledger's memory of what it holds.

use std::sync::Arc;

use crate::clock::Wall;
use crate::dispatch::images::{Address, ImageHost, ImageTrouble, LocalImage, is_fresh};
use crate::image::ImageFile;
use crate::kie::{self, Upload, UploadAnswer};
use crate::ledger::{self, LedgerError, StoredUpload};
use crate::row::ImageHash;

/// Reads the whole image at a path of the manifest, as long as it has the content with this hash; else says what is
/// wrong, and what to do. May wait for the disk.
pub type ReadImage = Arc<dyn Fn(&str, ImageHash) -> Result<ImageFile, String> + Send + Sync>;

/// Uploads each content once in [`LIFE`](crate::dispatch::images::LIFE), over all runs of a ledger.
pub struct UploadedImages<A, L> {
    api: Arc<A>,
    ledger: L,
    read: ReadImage,
    wall: Wall,
}

impl<A: kie::Uploads, L: ledger::Uploads> UploadedImages<A, L> {
    /// Images that `read` reads, uploaded by way of `api` and remembered in `ledger`.
    pub fn new(api: Arc<A>, ledger: L, read: ReadImage, wall: Wall) -> UploadedImages<A, L> {
        UploadedImages {
            api,
            ledger,
            read,
            wall,
        }
    }

    async fn read(&self, image: &LocalImage) -> Result<ImageFile, ImageTrouble> {
        let (read, image) = (Arc::clone(&self.read), image.clone());
        let read = tokio::task::spawn_blocking(move || read(&image.path, image.sha256)).await;
        match read {
            Ok(file) => file.map_err(ImageTrouble::File),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime ends, and with it whoever asked.
            Err(_) => Err(ImageTrouble::Ledger(LedgerError::Stopped)),
        }
    }
}

impl<A: kie::Uploads, L: ledger::Uploads> ImageHost for UploadedImages<A, L> {
    async fn address_of(&self, image: &LocalImage) -> Result<Address, ImageTrouble> {
        let sha256 = image.sha256.0;
        let stored = self.ledger.upload_of(sha256).await.map_err(ImageTrouble::Ledger)?;
        if let Some(stored) = stored.filter(|stored| is_fresh(stored.uploaded_at, self.wall.now())) {
            return Ok(address(stored));
        }
        let file = self.read(image).await?;
        // Not of the manifest's file: that may be called anything, and equal names would replace each other.
        let file_name = format!("{}.{}", image.sha256, file.kind.extension());
        let upload = Upload {
            media_type: file.kind.media_type(),
            file_name: &file_name,
            bytes: file.bytes.into(),
        };
        // From when on its life counts at the latest.
        let uploaded_at = self.wall.now();
        match self.api.upload(upload).await {
            UploadAnswer::Stored { url } => {
                tracing::info!(path = %image.path, %url, "uploaded");
                let stored = StoredUpload { url, uploaded_at };
                let committed = self.ledger.uploaded(sha256, stored.clone()).await;
                committed.map(|()| address(stored)).map_err(ImageTrouble::Ledger)
            }
            UploadAnswer::Refused { code, message } => Err(ImageTrouble::Refused { code, message }),
            UploadAnswer::Again {
                code,
                message,
                retry_after,
            } => Err(ImageTrouble::Again {
                code,
                message,
                retry_after,
            }),
            UploadAnswer::Barred { code, message, remedy } => Err(ImageTrouble::Barred { code, message, remedy }),
        }
    }
}

fn address(stored: StoredUpload) -> Address {
    Address {
        url: stored.url.into(),
        uploaded_at: stored.uploaded_at,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::sync::Mutex;
    use std::time::Duration;

    use tokio::time::{Instant, advance};

    use super::*;
    use crate::clock::UnixMillis;
    use crate::dispatch::images::LIFE;
    use crate::image::ImageKind;
    use crate::kie::Discreet;

    /// The API and the ledger in memory.
    #[derive(Clone, Default)]
    struct World(Arc<Mutex<Inner>>);

    #[derive(Default)]
    struct Inner {
        stored: HashMap<[u8; 32], StoredUpload>,
        uploads: Vec<(String, &'static str, usize)>,
        reads: u32,
        is_broken: bool,
    }

    impl Discreet for World {
        fn without_secrets(&self, text: String) -> String {
            text
        }
    }

    impl kie::Uploads for World {
        async fn upload(&self, upload: Upload<'_>) -> UploadAnswer {
            let mut inner = self.0.lock().unwrap();
            inner
                .uploads
                .push((upload.file_name.to_owned(), upload.media_type, upload.bytes.len()));
            UploadAnswer::Stored {
                url: format!("https://files.example.org/{}", inner.uploads.len()),
            }
        }
    }

    impl ledger::Uploads for World {
        async fn upload_of(&self, sha256: [u8; 32]) -> Result<Option<StoredUpload>, LedgerError> {
            Ok(self.0.lock().unwrap().stored.get(&sha256).cloned())
        }

        async fn uploaded(&self, sha256: [u8; 32], upload: StoredUpload) -> Result<(), LedgerError> {
            let mut inner = self.0.lock().unwrap();
            if inner.is_broken {
                return Err(LedgerError::Stopped);
            }
            inner.stored.insert(sha256, upload);
            Ok(())
        }
    }

    impl World {
        fn images(&self) -> UploadedImages<World, World> {
            let world = self.clone();
            let read: ReadImage = Arc::new(move |path, _| {
                world.0.lock().unwrap().reads += 1;
                match path {
                    "gone.png" => Err("the image is no longer there".to_owned()),
                    _ => Ok(ImageFile {
                        bytes: vec![0; 9],
                        kind: ImageKind::Webp,
                    }),
                }
            });
            let wall = Wall::Virtual {
                base: UnixMillis(1_790_000_000_000),
                start: Instant::now(),
            };
            UploadedImages::new(Arc::new(self.clone()), self.clone(), read, wall)
        }
    }

    fn image(path: &str) -> LocalImage {
        LocalImage {
            path: path.to_owned(),
            sha256: ImageHash([0xab; 32]),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_content_is_uploaded_once_and_again_when_it_is_too_old() {
        let world = World::default();
        let images = world.images();
        for (wait, path, url) in [
            (Duration::ZERO, "../my cat.png", "https://files.example.org/1"),
            (LIFE - Duration::from_secs(1), "copy.png", "https://files.example.org/1"),
            // The file itself does not matter as long as its content is up there.
            (Duration::ZERO, "gone.png", "https://files.example.org/1"),
            (Duration::from_secs(1), "copy.png", "https://files.example.org/2"),
            (Duration::from_secs(1), "copy.png", "https://files.example.org/2"),
        ] {
            advance(wait).await;
            assert_eq!(&*images.address_of(&image(path)).await.unwrap().url, url);
        }
        let inner = world.0.lock().unwrap();
        // By its own content, whatever the manifest calls it.
        let expected = (format!("{}.webp", "ab".repeat(32)), "image/webp", 9);
        assert_eq!(inner.uploads, [expected.clone(), expected]);
        assert_eq!(inner.reads, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_is_not_as_it_was_is_not_uploaded() {
        let world = World::default();
        let trouble = world.images().address_of(&image("gone.png")).await.unwrap_err();
        assert!(
            matches!(&trouble, ImageTrouble::File(message) if message == "the image is no longer there"),
            "{trouble:?}"
        );
        assert!(world.0.lock().unwrap().uploads.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_could_not_be_recorded_is_not_used() {
        let world = World::default();
        world.0.lock().unwrap().is_broken = true;
        let trouble = world.images().address_of(&image("a.png")).await.unwrap_err();
        assert!(matches!(trouble, ImageTrouble::Ledger(_)), "{trouble:?}");
    }
}
