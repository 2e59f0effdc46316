//! The names that columns have, as people write them. To correct or add one, this file is the only one to edit.
//!
//! A name is in here if it cannot well mean something else, for a wrong guess costs money. That weighs more for prompt
//! and image, whose absence is an error that everybody sees, than for duration and resolution: unnoticed they make
//! another video than the one that was meant, and a column taken for them by mistake shows at its first value.
//!
//! Left out on purpose: descriptions (`描述`, `Beschreibung`), which are often not the prompt; prompts for images
//! (`图片提示词`, `image prompt`); numbers of an order (`序号`, `No.`, `Nr.`), which change when rows are sorted; several
//! images in one cell; `longitud` and its like, which are degrees as often as seconds.
//!
//! Names are compared without case, spaces, accents and marks (see [`super::spelling`]), so one spelling of each is
//! enough. What two languages write alike stands with the first of them.

use crate::manifest::Field;

/// A language, or one of its scripts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    ChineseSimplified,
    ChineseTraditional,
    Japanese,
    Korean,
    Spanish,
    German,
    French,
    Portuguese,
}

use Language::{ChineseSimplified, ChineseTraditional, English, French, German, Japanese, Korean, Portuguese, Spanish};

/// The names of a field in one language.
type InLanguage = (Language, &'static [&'static str]);

/// The names of the fields, in their order.
#[rustfmt::skip]
pub(super) const NAMES: [(Field, &[InLanguage]); 6] = [
    (Field::Id, &[
        (English, &["id", "row id", "unique id", "identifier"]),
        (ChineseSimplified, &["编号", "唯一编号", "标识符", "唯一标识"]),
        (ChineseTraditional, &["編號", "唯一編號", "識別碼"]),
        (Japanese, &["識別子", "識別番号", "管理番号", "行ID"]),
        (Korean, &["식별자", "식별 번호", "고유 번호", "고유 ID", "행 ID"]),
        (Spanish, &["identificador", "ID de fila", "ID único"]),
        (German, &["Kennung", "Zeilen-ID"]),
        (French, &["identifiant", "ID de ligne"]),
        (Portuguese, &["ID da linha"]),
    ]),
    (Field::Prompt, &[
        (English, &["prompt", "prompts", "prompt text", "text prompt", "video prompt", "motion prompt"]),
        (ChineseSimplified, &["提示词", "提示语", "提示词内容", "视频提示词"]),
        (ChineseTraditional, &["提示詞", "提示語", "提示詞內容", "影片提示詞", "視頻提示詞"]),
        (Japanese, &["プロンプト", "プロンプト文", "動画プロンプト", "動画用プロンプト", "動画生成プロンプト", "映像プロンプト"]),
        (Korean, &["프롬프트", "프롬프트 내용", "프롬프트 텍스트", "영상 프롬프트", "동영상 프롬프트", "비디오 프롬프트"]),
        (Spanish, &["texto del prompt", "prompt de vídeo", "prompt del vídeo"]),
        (German, &["Eingabeaufforderung"]),
        (French, &["texte du prompt", "prompt vidéo", "prompt de la vidéo"]),
        (Portuguese, &["texto do prompt", "prompt do vídeo"]),
    ]),
    (Field::ImageUrl, &[
        (English, &[
            "image url", "image", "image link", "image uri", "image src", "image address", "img", "img url", "img src",
            "img link", "picture", "picture url", "picture link", "photo url", "photo link", "first frame",
            "first frame url", "first frame image",
        ]),
        (ChineseSimplified, &[
            "图片", "图片链接", "图片地址", "图片网址", "图片url", "图像", "图像链接", "图像地址", "图像网址", "图像url",
            "首帧", "首帧图", "首帧图片",
        ]),
        (ChineseTraditional, &[
            "圖片", "圖片連結", "圖片鏈接", "圖片地址", "圖片位址", "圖片網址", "圖片url", "圖像", "圖像連結", "圖像鏈接",
            "圖像網址", "圖像url", "首幀", "首幀圖", "首幀圖片",
        ]),
        (Japanese, &[
            "画像", "画像URL", "画像のURL", "画像リンク", "画像のリンク", "画像アドレス", "写真URL", "イメージURL",
            "開始画像", "開始フレーム",
        ]),
        (Korean, &["이미지", "이미지 URL", "이미지 링크", "이미지 주소", "사진 URL", "사진 링크", "사진 주소", "시작 이미지", "첫 프레임"]),
        (Spanish, &[
            "imagen", "URL imagen", "URL de imagen", "URL de la imagen", "imagen URL", "enlace imagen", "enlace de imagen",
            "enlace de la imagen", "enlace a la imagen", "link de imagen", "link de la imagen", "dirección de la imagen",
            "URL de la foto", "enlace de la foto",
        ]),
        (German, &[
            "Bild", "Bild-URL", "Bild-Link", "Bildadresse", "Link zum Bild", "URL des Bildes", "Foto-URL", "Foto-Link",
            "Startbild",
        ]),
        (French, &[
            "URL image", "URL d'image", "URL de l'image", "lien image", "lien de l'image", "lien vers l'image",
            "adresse de l'image", "URL de la photo", "lien de la photo",
        ]),
        (Portuguese, &[
            "imagem", "URL imagem", "URL de imagem", "URL da imagem", "link imagem", "link de imagem", "link da imagem",
            "endereço da imagem", "URL da foto", "link da foto",
        ]),
    ]),
    (Field::Duration, &[
        (English, &[
            "duration", "durations", "duration sec", "duration seconds", "seconds", "length", "clip length", "clip duration",
            "video length", "video duration",
        ]),
        (ChineseSimplified, &["时长", "视频时长", "播放时长", "秒数", "视频秒数", "片长", "长度", "视频长度", "持续时间", "时间（秒）"]),
        (ChineseTraditional, &[
            "時長", "影片時長", "視頻時長", "播放時長", "秒數", "影片秒數", "片長", "長度", "影片長度", "持續時間",
            "時間（秒）",
        ]),
        (Japanese, &["長さ", "動画の長さ", "動画の秒数", "再生時間", "尺"]),
        (Korean, &["길이", "영상 길이", "동영상 길이", "비디오 길이", "클립 길이", "재생 시간", "지속 시간", "시간(초)"]),
        (Spanish, &["duración", "duración del vídeo", "duración del clip", "segundos"]),
        (German, &[
            "Dauer", "Videodauer", "Clipdauer", "Spieldauer", "Länge", "Laenge", "Videolänge", "Videolaenge", "Cliplänge",
            "Cliplaenge", "Sekunden",
        ]),
        (French, &["durée", "durée vidéo", "durée de la vidéo", "durée du clip", "secondes"]),
        (Portuguese, &["duração", "duração do vídeo", "duração do clipe"]),
    ]),
    (Field::Resolution, &[
        (English, &["resolution", "video resolution", "output resolution"]),
        // 分辩率 is how 分辨率 is misspelt most.
        (ChineseSimplified, &["分辨率", "分辩率", "视频分辨率", "清晰度"]),
        (ChineseTraditional, &["解析度", "影片解析度", "解像度", "畫面解析度"]),
        (Japanese, &["動画解像度", "動画の解像度"]),
        (Korean, &["해상도", "영상 해상도", "동영상 해상도", "비디오 해상도"]),
        (Spanish, &["resolución", "resolución de vídeo", "resolución del vídeo"]),
        (German, &["Auflösung", "Aufloesung", "Videoauflösung", "Videoaufloesung"]),
        (French, &["résolution vidéo", "résolution de la vidéo"]),
        (Portuguese, &["resolução", "resolução de vídeo", "resolução do vídeo"]),
    ]),
    (Field::CallbackUrl, &[
        (English, &["callback url", "callback", "callback uri", "callback link", "callback address", "webhook", "webhook url"]),
        (ChineseSimplified, &["回调", "回调地址", "回调链接", "回调网址", "回调url"]),
        (ChineseTraditional, &[
            "回調", "回調地址", "回調鏈接", "回調連結", "回調網址", "回調url", "回呼", "回呼網址", "回呼位址", "回呼url",
        ]),
        (Japanese, &["コールバック", "コールバックURL", "コールバック先", "コールバックアドレス", "ウェブフック", "ウェブフックURL"]),
        (Korean, &["콜백", "콜백 URL", "콜백 주소", "콜백 링크", "웹훅", "웹훅 URL", "웹훅 주소"]),
        (Spanish, &["URL de callback", "URL de devolución de llamada", "URL de webhook", "URL del webhook"]),
        (German, &["Callback-Adresse", "Rückruf-URL", "Rueckruf-URL", "Webhook-Adresse"]),
        (French, &["URL de rappel", "adresse de rappel", "URL webhook", "URL du webhook"]),
        (Portuguese, &["URL de retorno de chamada", "URL do callback", "URL do webhook"]),
    ]),
];

/// What may stand beside a field's name, in brackets or behind it: its unit, its values, and what joins these.
pub(super) const HINTS: [(Field, &[&str]); 2] = [
    (
        Field::Duration,
        &[
            "s",
            "sec",
            "secs",
            "second",
            "seconds",
            "in s",
            "in sec",
            "in seconds",
            "秒",
            "秒钟",
            "秒鐘",
            "单位秒",
            "單位秒",
            "単位秒",
            "초",
            "초 단위",
            "단위 초",
            "seg",
            "segs",
            "segundos",
            "en segundos",
            "em segundos",
            "sek",
            "Sekunden",
            "in Sekunden",
            "secondes",
            "en secondes",
            "6",
            "10",
            "6s",
            "10s",
            "or",
            "或",
            "または",
            "또는",
            "o",
            "oder",
            "ou",
        ],
    ),
    (
        Field::Resolution,
        &[
            "p",
            "px",
            "pixels",
            "768P",
            "1080P",
            "or",
            "或",
            "または",
            "또는",
            "o",
            "oder",
            "ou",
        ],
    ),
];

/// What a form writes in brackets, or on a line of its own, beside the name of any column.
pub(super) const MARKS: [&str; 26] = [
    "required",
    "mandatory",
    "optional",
    "必填",
    "必填项",
    "必填項",
    "选填",
    "選填",
    "非必填",
    "可选",
    "可選",
    "必須",
    "任意",
    "필수",
    "선택",
    "obligatorio",
    "requerido",
    "opcional",
    "Pflichtfeld",
    "erforderlich",
    "obligatoire",
    "requis",
    "facultatif",
    "optionnel",
    "obrigatório",
    "obrigatória",
];

/// Names of columns that are one slip away from a name of ours and mean something else.
pub(super) const LOOKALIKES: [&str; 7] = [
    "视频宽度",
    "视频高度",
    "影片寬度",
    "影片高度",
    "動画の高さ",
    "動画の重さ",
    "動画の広さ",
];

#[cfg(test)]
mod tests;
