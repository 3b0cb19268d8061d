//! Characters without a glyph.

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;

/// Returns whether most fonts show nothing for this character (`Default_Ignorable_Code_Point`, UAX #44 5.1). Some of these
/// characters are letters to the standard library.
pub(super) fn is_ignorable(char: char) -> bool {
    CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(char)
}
