//! Renders mails with the templates `email/NAME.subject.txt`, `email/NAME.txt` and `email/NAME.html` of each kind.

use std::sync::Arc;

use movie_bag_core::domain::mail::Mail;
use movie_bag_core::ports::mail::{RenderError, Rendered, Renderer};

use super::templates::{Part, Templates};

/// Renders mails by Tera templates.
pub struct TeraRenderer {
    templates: Arc<Templates>,
}

impl TeraRenderer {
    /// Returns a renderer with validated templates.
    pub fn new(templates: Arc<Templates>) -> Self {
        Self { templates }
    }
}

impl Renderer for TeraRenderer {
    fn render(&self, mail: &Mail) -> Result<Rendered, RenderError> {
        let render = |part: Part| {
            let name = part.template_name(mail.kind());
            self.templates.render(&name, mail).map_err(RenderError::new)
        };
        Ok(Rendered {
            subject: render(Part::Subject)?.trim().to_owned(),
            text: render(Part::Text)?,
            html: render(Part::Html)?,
        })
    }
}
