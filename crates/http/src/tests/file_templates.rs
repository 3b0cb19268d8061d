//! The page templates of the service, read from their folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tera::{Context, Tera};

use crate::page_templates::{PageError, PageTemplates};

/// Templates of the folder `templates/web`, without validation and overrides.
pub(crate) struct FileTemplates(Tera);

impl FileTemplates {
    pub(crate) fn load() -> Arc<Self> {
        let mut tera = Tera::default();
        let files = fs::read_dir(folder()).unwrap().map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            (format!("web/{name}"), fs::read_to_string(&path).unwrap())
        });
        // Files that are not HTML are not Tera templates.
        let (pages, assets): (Vec<_>, Vec<_>) =
            files.partition(|(name, _)| name.ends_with(".html"));
        let assets = assets.into_iter().map(|(name, source)| {
            let source = format!("{{% raw %}}{source}{{% endraw %}}");
            (name, source)
        });
        tera.add_raw_templates(pages.into_iter().chain(assets))
            .unwrap();
        Arc::new(Self(tera))
    }
}

/// Returns `templates/web` of the package, or of the workspace that contains it.
fn folder() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = package
        .ancestors()
        .map(|folder| folder.join("templates/web"));
    folders.find(|folder| folder.is_dir()).unwrap()
}

impl PageTemplates for FileTemplates {
    fn render(&self, name: &str, values: &[(&str, &str)]) -> Result<String, PageError> {
        let mut context = Context::new();
        context.insert("product", "Movie-bag");
        context.insert("login_url", "");
        for (name, value) in values {
            context.insert((*name).to_owned(), value);
        }
        Ok(self.0.render(&format!("web/{name}"), &context)?)
    }
}
