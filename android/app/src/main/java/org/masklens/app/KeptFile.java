package org.masklens.app;

import android.util.Base64;
import java.nio.charset.Charset;
import java.util.Locale;

/**
 * A file that the page hands over, checked: its type is one of four, its name cannot leave a folder,
 * and it is no larger than a picture can be. Nothing the page says is trusted before this.
 */
final class KeptFile {
    /** In bytes; a picture of 50 megapixels has some 20 MB. */
    static final int MOST_BYTES = 48 * 1024 * 1024;

    private static final int LONGEST_NAME = 100;

    /** Of a name in UTF-8: file systems take 255 bytes, with what is added to it. */
    private static final int MOST_NAME_BYTES = 200;

    /** The types of file that the page makes, with the extensions of their names. */
    private static final String[][] TYPES = {
        {"image/jpeg", "jpg"}, {"image/png", "png"}, {"application/json", "json"}, {"text/csv", "csv"},
    };

    private static final Charset UTF_8 = Charset.forName("UTF-8");

    final String name;
    final String mime;
    final byte[] content;

    private KeptFile(String name, String mime, byte[] content) {
        this.name = name;
        this.mime = mime;
        this.content = content;
    }

    /** Check and decode. Throws IllegalArgumentException with a sentence for the user. */
    static KeptFile of(String name, String mime, String base64) {
        // A page may add parameters: "text/csv;charset=utf-8".
        String type = mime == null ? "" : mime.split(";", 2)[0].trim();
        String extension = extension(type);
        if (extension == null) throw new IllegalArgumentException("\"" + type + "\" is no type of file that masklens makes.");
        if (base64 == null || base64.length() / 4L * 3 > MOST_BYTES) {
            throw new IllegalArgumentException("the file is larger than " + MOST_BYTES / 1024 / 1024 + " MB.");
        }
        byte[] content;
        try {
            content = Base64.decode(base64, Base64.DEFAULT);
        } catch (IllegalArgumentException malformed) {
            throw new IllegalArgumentException("its content is damaged.");
        }
        if (content.length == 0) throw new IllegalArgumentException("it is empty.");
        return new KeptFile(safeName(name, extension), type, content);
    }

    boolean isPicture() {
        return mime.startsWith("image/");
    }

    /**
     * A name for a file in any folder: letters, digits and a few signs, never a path, with the
     * extension that belongs to its type.
     */
    static String safeName(String name, String extension) {
        StringBuilder safe = new StringBuilder();
        String wanted = name == null ? "" : name.trim();
        for (int i = 0; i < wanted.length(); i++) {
            char c = wanted.charAt(i);
            boolean fine = Character.isLetterOrDigit(c) || " ._-()".indexOf(c) >= 0;
            safe.append(fine ? c : '_');
        }
        while (safe.length() > 0 && safe.charAt(0) == '.') safe.deleteCharAt(0);
        String stem = safe.toString();
        String ending = "." + extension;
        if (stem.toLowerCase(Locale.ROOT).endsWith(ending)) {
            stem = stem.substring(0, stem.length() - ending.length());
        }
        if (stem.length() > LONGEST_NAME) stem = stem.substring(0, LONGEST_NAME);
        while (stem.getBytes(UTF_8).length > MOST_NAME_BYTES) stem = stem.substring(0, stem.length() - 1);
        return (stem.trim().isEmpty() ? "masklens" : stem.trim()) + ending;
    }

    private static String extension(String mime) {
        for (String[] type : TYPES) if (mime.equals(type[0])) return type[1];
        return null;
    }

    /** The type of a file that was kept or lent, by its name; null for other names. */
    static String typeOf(String name) {
        for (String[] type : TYPES) if (name.endsWith("." + type[1])) return type[0];
        return null;
    }
}
